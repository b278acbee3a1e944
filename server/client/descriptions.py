"""What the server is and what a client has used of it, in the clients."""

from dragoman.server.client import queries
from dragoman.server.client.queries import Asks, AsksLater
from dragoman.server.client.results import ModelDescription, ServerDescription, UsageDescription


class DescriptionCalls:
    """The blocking client's methods."""

    def list_models(self: Asks) -> list[ModelDescription]:
        """The loaded models, without their cards."""
        models, page_token = self._ask(queries.list_models(""))
        while page_token:
            page, page_token = self._ask(queries.list_models(page_token))
            models += page
        return models

    def get_model(self: Asks, name: str) -> ModelDescription:
        """One model with its card."""
        return self._ask(queries.get_model(name))

    def get_usage(self: Asks) -> UsageDescription:
        """What the client's token has used of this day and of this month, with its limits."""
        return self._ask(queries.get_usage())

    def get_server(self: Asks) -> ServerDescription:
        """The server's version, limits and features."""
        return self._ask(queries.get_server())


class AsyncDescriptionCalls:
    """The asynchronous client's methods."""

    async def list_models(self: AsksLater) -> list[ModelDescription]:
        """See `Client.list_models`."""
        models, page_token = await self._ask(queries.list_models(""))
        while page_token:
            page, page_token = await self._ask(queries.list_models(page_token))
            models += page
        return models

    async def get_model(self: AsksLater, name: str) -> ModelDescription:
        """See `Client.get_model`."""
        return await self._ask(queries.get_model(name))

    async def get_usage(self: AsksLater) -> UsageDescription:
        """See `Client.get_usage`."""
        return await self._ask(queries.get_usage())

    async def get_server(self: AsksLater) -> ServerDescription:
        """See `Client.get_server`."""
        return await self._ask(queries.get_server())
