"""The pages as Jinja templates, and their style sheets; `base.css` is shared by all."""

import functools

import jinja2


@functools.cache
def load(name: str) -> jinja2.Template:
    """The template in that file. Values are escaped, and one that it needs and does not get is an error."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("stock_assets.reporting"),
        # For the page and its style sheets alike, whatever their names end in.
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)
