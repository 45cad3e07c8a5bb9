"""The settings of the services that the launcher needs to know too."""

from pydantic import Field, SecretStr

from consensus_rpc.process.settings import HostPort, Settings


class LaunchSettings(Settings):
    """From the environment and `.env`, as the services read them."""

    database_url: SecretStr | None = Field(None, description="The database.")
    db_host: str | None = Field(None, description="Its parts, in the place of its address.")
    db_port: str | None = Field(None, description="As db_host.")
    db_name: str | None = Field(None, description="As db_host.")
    db_user: str | None = Field(None, description="As db_host.")
    db_password: SecretStr | None = Field(None, description="As db_host.")
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

    @property
    def names_database(self) -> bool:
        """Whether a database is named, so that the default is not taken."""
        parts = (self.db_host, self.db_port, self.db_name, self.db_user, self.db_password)
        return any(part is not None for part in (self.database_url, *parts))
