"""What the project costs, measured side by side. `README.md` says what each script answers and how to read it.

Nothing here is part of the installed package.
"""
