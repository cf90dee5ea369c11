from django.urls import path

from leads.views import imports, leads, pages, suppression

app_name = "leads"
urlpatterns = [
    path("", leads.lead_list, name="lead_list"),
    path("new/", leads.lead_create, name="lead_create"),
    path("import/", imports.import_create, name="import_create"),
    path("import/<uuid:pk>/", imports.import_detail, name="import_detail"),
    path("import/<uuid:pk>/preview/", imports.import_preview, name="import_preview"),
    path("import/<uuid:pk>/reading/", imports.import_reading, name="import_reading"),
    path("import/<uuid:pk>/start/", imports.import_start, name="import_start"),
    path("import/<uuid:pk>/problems.csv", imports.import_problems, name="import_problems"),
    path("suppression/", suppression.suppression_list, name="suppression_list"),
    path("suppression/add/", suppression.suppression_add, name="suppression_add"),
    path("suppression/<uuid:pk>/lift/", suppression.suppression_lift, name="suppression_lift"),
    path("pages/<uuid:pk>/", pages.page_detail, name="page_detail"),
    path("<uuid:pk>/", leads.lead_detail, name="lead_detail"),
    path("<uuid:pk>/edit/", leads.lead_edit, name="lead_edit"),
    path("<uuid:pk>/archive/", leads.lead_archive, name="lead_archive"),
    path("<uuid:pk>/notes/", leads.note_create, name="note_create"),
]
