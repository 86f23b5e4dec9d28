"""How the tables came to be: one module a change under `versions`, run in order when a database is opened.

To change a table: change it in `monitoring.tables`, and add a module to `versions` that does the same to a database
that is there (SQLite needs `op.batch_alter_table`). A test says what is still different. A module that was released is
never changed.
"""
