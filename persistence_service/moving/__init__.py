"""Moving a tenant from one database to another, while it is reviewing.

`standing` says where a tenant is: frozen where it leaves, arrived and then open where it comes. `exporting`
writes all of its rows as lines, `importing` reads them in one transaction and proves that they are the same.
Rows go in the form in which they are stored: what is sealed stays sealed, and its keys go along, wrapped.
"""
