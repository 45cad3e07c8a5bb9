"""A real offline model on loopback, and a real client of it."""

from collections.abc import AsyncIterator

import hypothesis
import pytest

from offline_model.control_client import ControlClient
from offline_model.server import OfflineModel
from review_service.model.client import ModelClient, ModelOptions
from tests.support.engine import Desk

# How long an example takes says more about the machine's other work than about the code.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

API_KEY = "sk-offline-0123456789"


@pytest.fixture
async def offline() -> AsyncIterator[OfflineModel]:
    """A server that answers at once."""
    async with OfflineModel.start() as server:
        yield server


@pytest.fixture
async def control(offline: OfflineModel) -> AsyncIterator[ControlClient]:
    """Its fault script and counters."""
    async with ControlClient(offline.control_url) as client:
        yield client


@pytest.fixture
async def model(offline: OfflineModel) -> AsyncIterator[ModelClient]:
    """The client that the service uses."""
    client = ModelClient(ModelOptions(api_key=API_KEY, base_url=offline.base_url))
    yield client
    await client.aclose()


@pytest.fixture
def desk(model: ModelClient) -> Desk:
    """A reviewer and an expander with a clock that stands still."""
    return Desk(model)
