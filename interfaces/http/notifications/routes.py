from typing import Annotated

from fastapi import Query, Response

from application.notifications.inbox import Inbox
from application.notifications.queries import NotificationDetails
from domain.notifications.notification import NotificationId
from interfaces.http.answers import resource
from interfaces.http.dependencies import CurrentActor, use_case
from interfaces.http.notifications.schemas import NotificationOut
from interfaces.http.openapi import problems
from interfaces.http.pages import ListOf, Paging, paging
from interfaces.http.routing import KeyedRoute, router
from interfaces.http.schemas import Id, QueryBool

InboxService = Annotated[Inbox, use_case(lambda shop: shop.inbox)]
NotificationPaging = Annotated[Paging, paging("created_at", usual="-created_at")]

NotificationList = ListOf[NotificationOut]

notifications = router("/v1/notifications", "notifications", KeyedRoute)


@notifications.get("", response_model=NotificationList)
async def list_notifications(
    paging: NotificationPaging,
    actor: CurrentActor,
    inbox: InboxService,
    unread: Annotated[
        QueryBool | None, Query(description="those that were not read yet, or the others")
    ] = None,
) -> Response:
    """What one was told about one's own orders."""
    page = await inbox.list(actor, paging.asked, unread=unread)
    return paging.listed(NotificationList, page, NotificationOut.of)


@notifications.post(
    "/{id}/read", response_model=NotificationOut, responses=problems("notification-not-found")
)
async def read_notification(id: Id, actor: CurrentActor, inbox: InboxService) -> Response:
    """Mark it as read. The time of the first reading stays."""
    notification = await inbox.read(actor, NotificationId(id))
    return resource(NotificationOut.of(NotificationDetails.of(notification)))
