from django.urls import path

from campaigns.views import campaigns, enrollments, inbox, mailboxes, messages, unsubscribe

app_name = "campaigns"
urlpatterns = [
    path("u/<str:token>/", unsubscribe.unsubscribe, name="unsubscribe"),
    path("inbox/", inbox.inbox, name="inbox"),
    path("inbox/<uuid:pk>/", inbox.thread, name="thread"),
    path("inbox/<uuid:pk>/state/", inbox.thread_state, name="thread_state"),
    path("inbox/<uuid:pk>/unread/", inbox.thread_unread, name="thread_unread"),
    path("inbox/<uuid:pk>/snooze/", inbox.thread_snooze, name="thread_snooze"),
    path("inbox/<uuid:pk>/assign/", inbox.thread_assign, name="thread_assign"),
    path("inbox/answers/<uuid:pk>/class/", inbox.inbound_classify, name="inbound_classify"),
    path("inbox/answers/<uuid:pk>/html/", inbox.inbound_html, name="inbound_html"),
    path("campaigns/", campaigns.campaign_list, name="campaign_list"),
    path("campaigns/new/", campaigns.campaign_create, name="campaign_create"),
    path("campaigns/messages/", messages.message_list, name="message_list"),
    path("campaigns/messages/<uuid:pk>/settle/", messages.message_settle, name="message_settle"),
    path("campaigns/messages/<uuid:pk>/cancel/", messages.message_cancel, name="message_cancel"),
    path("campaigns/steps/<uuid:pk>/", campaigns.step_edit, name="step_edit"),
    path("campaigns/lead/<uuid:pk>/sequence/", enrollments.lead_sequence, name="lead_sequence"),
    path("campaigns/<uuid:pk>/", campaigns.campaign_detail, name="campaign_detail"),
    path("campaigns/<uuid:pk>/edit/", campaigns.campaign_edit, name="campaign_edit"),
    path("campaigns/<uuid:pk>/steps/add/", campaigns.step_add, name="step_add"),
    path("campaigns/<uuid:pk>/steps/remove/", campaigns.step_remove, name="step_remove"),
    path("campaigns/<uuid:pk>/enroll/", enrollments.enroll, name="enroll"),
    path("mailboxes/", mailboxes.mailbox_list, name="mailbox_list"),
    path("mailboxes/new/", mailboxes.mailbox_create, name="mailbox_create"),
    path("mailboxes/<uuid:pk>/", mailboxes.mailbox_edit, name="mailbox_edit"),
    path("mailboxes/<uuid:pk>/test/", mailboxes.mailbox_test, name="mailbox_test"),
    path("mailboxes/<uuid:pk>/delete/", mailboxes.mailbox_delete, name="mailbox_delete"),
]
for action in ("activate", "pause", "archive"):
    urlpatterns.append(
        path(
            f"campaigns/<uuid:pk>/{action}/",
            campaigns.campaign_state,
            {"action": action},
            name=f"campaign_{action}",
        )
    )
for action in ("pause", "resume", "remove"):
    urlpatterns.append(
        path(
            f"campaigns/enrollments/<uuid:pk>/{action}/",
            enrollments.enrollment_state,
            {"action": action},
            name=f"enrollment_{action}",
        )
    )
for action in ("pause", "resume"):
    urlpatterns.append(
        path(
            f"mailboxes/<uuid:pk>/{action}/",
            mailboxes.mailbox_state,
            {"action": action},
            name=f"mailbox_{action}",
        )
    )
