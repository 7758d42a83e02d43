"""Owns bringing images in and out on the main screen: the forms of pull and push, and the jobs they begin.

Refuses to wait for them: what they do is followed in the Builds tab, by whoever opens it.
"""

from __future__ import annotations

from functools import partial

from textual import work

from engine.errors import EngineError
from engine.oci import reference as references
from engine.options import PullOptions, PushOptions
from tuidock.messages import ActionFailed, PullAsked
from tuidock.screens.making import MakingScreen
from tuidock.screens.transfer_forms import PullForm, PushForm, PushWish


class MovingScreen(MakingScreen):
    """The lists, the detail side, what can be made, and what comes from registries and goes there."""

    pulled: tuple[str, ...] = ()
    """Names that were pulled before, the last one first."""

    def do_pull(self) -> None:
        """The form; it completes what was pulled before and what is here."""
        self.app.push_screen(PullForm(self._known_names()), self._pull_asked)

    def _pull_asked(self, options: object) -> None:
        if isinstance(options, PullOptions):
            self.post_message(PullAsked(options.reference))
            self._pull(options)

    def do_push(self) -> None:
        """The form, with the names of the image under the cursor."""
        image = self.images.get(self.table.cursor_id or "")
        if image is None:
            self.say("no image to push")
            return
        # the name with a registry in it is the likelier to be meant
        names = tuple(sorted(image.names, key=lambda name: references.parse(name).domain == "docker.io"))
        form = PushForm(names, self._known_names())
        self.app.push_screen(form, partial(self._push_asked, image.id))

    def _push_asked(self, image_id: str, wish: object) -> None:
        if isinstance(wish, PushWish):
            self._push(image_id, wish)

    def _known_names(self) -> tuple[str, ...]:
        stored = sorted(name for image in self.images.values() for name in image.names)
        return tuple(dict.fromkeys((*self.pulled, *stored)))

    @work(group="verbs", exit_on_error=False)
    async def _pull(self, options: PullOptions) -> None:
        await self._launch("pull", options, options.reference)

    @work(group="verbs", exit_on_error=False)
    async def _push(self, image_id: str, wish: PushWish) -> None:
        """A job a name; the image gets its new one before."""
        if self.engine is None:
            return
        try:
            if wish.new:
                await self.engine.images.tag(image_id, wish.new)
        except (EngineError, OSError) as error:
            self.post_message(ActionFailed("push", wish.new, error))
            return
        for name in wish.names:
            await self._launch("push", PushOptions(reference=name), name)
