app_name = "agent"
urlpatterns = []
