"""What files of certificates hold, before anybody relies on it."""

from pathlib import Path

import pytest

from consensus_rpc.security.material import BadMaterial, check_material
from tests.support.certificates import self_signed


@pytest.mark.parametrize("left_out", [5, 40, 200])
def test_a_file_that_ends_within_a_certificate_is_refused(tmp_path: Path, left_out: int) -> None:
    certificate, key = (path.read_bytes() for path in self_signed(tmp_path))
    for what in ("authority", "certificate"):
        raw = {"certificate": certificate, "key": key, "authority": certificate}
        check_material(raw | {what: certificate + certificate})
        with pytest.raises(BadMaterial, match=f"{what} .* cut off"):
            check_material(raw | {what: certificate + certificate[:-left_out]})
