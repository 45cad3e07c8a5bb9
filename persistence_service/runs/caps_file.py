"""The file of caps on spending (`SPEND_CAPS`): TOML, in units of a currency, read at start."""

import tomllib
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from consensus_rpc.process.settings_types import no_truth_value
from persistence_service.runs.form.caps import Caps, TenantCaps

_MICROS: Final = 1_000_000
_MAX_BYTES: Final = 1_000_000
_Amount = Annotated[Decimal, Field(ge=0, le=1_000_000_000, decimal_places=6)]
_Count = Annotated[int, BeforeValidator(no_truth_value), Field(ge=0, le=10_000_000)]
_Tenant = Annotated[str, Field(pattern=r"^[0-9A-Za-z._-]{1,64}$")]
_Caller = Annotated[str, Field(min_length=1, max_length=255)]


class CapsFileError(ValueError):
    """The file cannot be used; the message names every fault."""


class _Table(BaseModel):
    """Names that are not known are refused: a misspelt cap would else be none."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _TenantTable(_Table):
    run: _Amount | None = None
    caller_day: _Amount | None = None
    tenant_day: _Amount | None = None
    open_runs: _Count | None = None
    queued_runs: _Count | None = None
    caller_open_runs: _Count | None = None
    caller_queued_runs: _Count | None = None
    caller_days: Annotated[dict[_Caller, _Amount], Field(max_length=10_000)] = {}

    def caps(self) -> TenantCaps:
        """In millionths, as whole numbers."""
        return TenantCaps(
            run=_micros(self.run),
            caller_day=_micros(self.caller_day),
            tenant_day=_micros(self.tenant_day),
            open_runs=self.open_runs,
            queued_runs=self.queued_runs,
            caller_open_runs=self.caller_open_runs,
            caller_queued_runs=self.caller_queued_runs,
            caller_days={name: int(amount * _MICROS) for name, amount in self.caller_days.items()},
        )


class _File(_Table):
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    allow_unpriced: bool = False
    default: _TenantTable = _TenantTable()
    tenants: Annotated[dict[_Tenant, _TenantTable], Field(max_length=10_000)] = {}


def load_caps(path: Path) -> Caps:
    """The caps of a file.

    Raises:
        CapsFileError: naming every fault.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            content = b"= more than a file of caps may have"
        found = _File.model_validate(tomllib.loads(content.decode("utf-8"), parse_float=Decimal))
    except OSError as error:
        raise CapsFileError(f"{path}: cannot be read ({type(error).__name__})") from None
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise CapsFileError(f"{path}: {'; '.join(faults)}") from None
    except (ValueError, RecursionError) as error:
        raise CapsFileError(f"{path}: is not TOML ({error})") from None
    return Caps(
        currency=found.currency,
        version=sha256(content).hexdigest(),
        default=found.default.caps(),
        tenants={name: table.caps() for name, table in found.tenants.items()},
        allows_unpriced=found.allow_unpriced,
    )


def _micros(amount: Decimal | None) -> int | None:
    return None if amount is None else int(amount * _MICROS)
