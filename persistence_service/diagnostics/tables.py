"""Table of what the schema needs of its readers."""

from sqlalchemy import CheckConstraint, SmallInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from persistence_service.schema.base import Base


class SchemaCompatibilityRow(Base):
    """The one row that says which releases can work with this schema; each revision updates it."""

    __tablename__ = "schema_compatibility"

    # Always 1.
    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    oldest_release: Mapped[str] = mapped_column(String(32))

    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)
