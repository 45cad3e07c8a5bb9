"""The settings of the services that the launcher needs to know too."""

from pydantic import Field, SecretStr

from consensus_rpc.process.settings import HostPort, Settings


class LaunchSettings(Settings):
    """From the environment and `.env`, as the services read them."""

    log_level: str = Field("INFO", description="Least severe level that is logged.")
    metrics_listen: HostPort | None = Field(None, description="Where the review service shows its metrics.")
    openai_api_key: SecretStr | None = Field(None, description="Key of the model's provider.")
    review_listen: HostPort = Field("127.0.0.1:50051", description="Where the review service listens.")
    persistence_listen: HostPort = Field(
        "127.0.0.1:50052", description="Where the persistence service listens for callers."
    )
    persistence_internal_listen: HostPort = Field(
        "127.0.0.1:50053", description="Where the persistence service listens for the review service."
    )
    door_listen: HostPort = Field("127.0.0.1:8080", description="Where the door listens for HTTP.")
