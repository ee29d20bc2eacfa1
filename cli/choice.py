"""Options that take one of several words."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

import click


class Choice(click.Choice):  # pyright: ignore[reportMissingTypeArgument]  # it takes none before click 8.2
    """click's, with the nearest word in the message about another one."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            close = get_close_matches(str(value), list(map(str, self.choices)), 1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise click.BadParameter(error.message + hint, ctx, param) from None
