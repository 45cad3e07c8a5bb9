#!/bin/sh
# Make the virtual environment .venv and install the locked libraries and both packages of this project into it.
# Needs Python 3.11 or later; PYTHON names it. Uses `uv` from PATH where there is one.
set -eu
cd "$(dirname "$0")/.."

fail() {
    echo "setup: $*" >&2
    exit 1
}

is_recent() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        command -v "$PYTHON" >/dev/null || fail "PYTHON=$PYTHON is not a command"
        is_recent "$PYTHON" || fail "PYTHON=$PYTHON is $("$PYTHON" -V 2>&1): this project needs Python 3.11 or later"
        echo "$PYTHON"
        return
    fi
    for candidate in python3 python3.14 python3.13 python3.12 python3.11 python; do
        if is_recent "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    fail "this project needs Python 3.11 or later; name one with PYTHON=/path/to/python3.11"
}

# The lines of one package in requirements.lock, hashes included.
locked() {
    awk -v name="$1==" 'index($0, name) == 1 { on = 1 } on { print } on && !/\\$/ { exit }' requirements.lock
}

make_environment() {
    python=$(find_python)
    if command -v uv >/dev/null; then
        uv venv --quiet --allow-existing --python "$(command -v "$python")" .venv
    elif ! "$python" -m venv .venv 2>/dev/null; then
        # Debian keeps ensurepip in another package; an own pip can still fill the environment.
        rm -rf .venv
        "$python" -m venv --without-pip .venv
    fi
}

install_uv() {
    locked uv > .venv/uv.lock
    if .venv/bin/python -c 'import pip' 2>/dev/null; then
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.lock
    else
        "$(find_python)" -m pip --python .venv/bin/python install --quiet --disable-pip-version-check \
            --require-hashes -r .venv/uv.lock ||
            fail "no pip to begin with: install uv, or pip and venv for Python (Debian: python3-venv)"
    fi
}

[ -x .venv/bin/python ] && is_recent .venv/bin/python || { echo "setup: making .venv"; make_environment; }

uv=$(command -v uv || true)
if [ -z "$uv" ]; then
    uv=.venv/bin/uv
    [ -x "$uv" ] && [ "$("$uv" --version | cut -d' ' -f2)" = "$(locked uv | sed -n 's/^uv==\([^ ]*\).*/\1/p')" ] ||
        install_uv
fi

echo "setup: installing the locked libraries"
export VIRTUAL_ENV="$PWD/.venv"
# As pip does: the certificates of the system, where a company's own authority stands. The older name too.
export UV_SYSTEM_CERTS=true UV_NATIVE_TLS=true
"$uv" pip install --quiet --require-hashes -r requirements.lock
"$uv" pip install --quiet --no-deps --no-build-isolation --editable packages/client --editable .
