"""What alembic runs for every upgrade: the migrations, on the connection and in the transaction of the caller."""

from alembic import context

from stock_assets.monitoring import database, tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.metadata,
    version_table=database.VERSION_TABLE,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
