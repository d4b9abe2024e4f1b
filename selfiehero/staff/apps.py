from django.contrib.admin.apps import AdminConfig


class StaffAdminConfig(AdminConfig):
    default_site = "selfiehero.staff.site.StaffSite"

    def ready(self) -> None:
        super().ready()
        from providers import keys

        from . import code_apps

        code_apps.listen()
        keys.other_rotations["otp_totp.TOTPDevice.key"] = code_apps.rotate
