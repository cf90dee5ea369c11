from django.urls import path

from agent.views import answers, approvals, control, export, research, rewriting, tasks, today, weights, why

app_name = "agent"
urlpatterns = [
    path("", today.today, name="today"),
    path("approvals/", approvals.approval_list, name="approval_list"),
    path("approvals/approve/", approvals.approval_bulk, name="approval_bulk"),
    path("approvals/<uuid:pk>/", approvals.approval_detail, name="approval_detail"),
    path("approvals/<uuid:pk>/edit/", approvals.approval_edit, name="approval_edit"),
    path("approvals/<uuid:pk>/approve/", approvals.approval_approve, name="approval_approve"),
    path("approvals/<uuid:pk>/reject/", approvals.approval_reject, name="approval_reject"),
    path("approvals/<uuid:pk>/rewrite/", rewriting.approval_rewrite, name="approval_rewrite"),
    path("approvals/<uuid:pk>/undo/", approvals.approval_undo, name="approval_undo"),
    path("answers/<uuid:pk>/", answers.answer_panel, name="answer_panel"),
    path("answers/<uuid:pk>/write/", answers.answer_write, name="answer_write"),
    path("answers/<uuid:pk>/approve/", answers.answer_approve, name="answer_approve"),
    path("answers/<uuid:pk>/edit/", answers.answer_edit, name="answer_edit"),
    path("answers/<uuid:pk>/reject/", answers.answer_reject, name="answer_reject"),
    path("answers/<uuid:pk>/undo/", answers.answer_undo, name="answer_undo"),
    path("agent/", control.control_center, name="control_center"),
    path("agent/activity/", control.activity, name="activity"),
    path("agent/weights/", weights.score_weights, name="score_weights"),
    path("agent/activity/export/", export.activity_export, name="activity_export"),
    path("agent/tasks/", tasks.task_list, name="task_list"),
    path("agent/tasks/approve/", tasks.task_bulk, name="task_bulk"),
    path("agent/tasks/<uuid:pk>/approve/", tasks.task_approve, name="task_approve"),
    path("agent/tasks/<uuid:pk>/reject/", tasks.task_reject, name="task_reject"),
    path("agent/tasks/<uuid:pk>/cancel/", tasks.task_cancel, name="task_cancel"),
    path("agent/tasks/<uuid:pk>/retry/", tasks.task_retry, name="task_retry"),
    path("agent/status/", control.status_bar, name="status_bar"),
    path("agent/start/", control.start, name="start"),
    path("agent/stop/", control.stop, name="stop"),
    path("agent/research/<uuid:pk>/", research.research_again, name="research_again"),
    path("agent/why/<uuid:pk>/", why.lead_why, name="lead_why"),
]
