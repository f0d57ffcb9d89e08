"""Who is who on the cluster."""

from datetime import datetime

from django.db import IntegrityError, transaction

from uzina.compute import access, rules
from uzina.compute.models import Cluster, SiteUser
from uzina.core.db import action
from uzina.core.errors import NotAllowed, Refused
from uzina.core.log import log
from uzina.core.text import _
from uzina.people.models import Person


@action
def map_person(
    cluster: Cluster, person: Person, *, name: str, by: Person | None, now: datetime
) -> SiteUser:
    """Note which user of the cluster a person is. Noting it again changes nothing.

    Raises NotAllowed site_user.map.not_operator; Refused site_user.map.bad_name and
    site_user.map.taken when the name is somebody else's.
    """
    if not access.may_repair(by):
        raise NotAllowed(
            "site_user.map.not_operator",
            _("Only an operator of the factory can say who is who on the cluster."),
        )
    rules.check_unix_name(name)
    found = SiteUser.objects.select_for_update().filter(cluster=cluster, person=person).first()
    if found is not None and found.name == name:
        return found

    found = found or SiteUser(cluster=cluster, person=person)
    found.name, found.by_code, found.made_at = name, by.code if by else "", now
    try:
        with transaction.atomic():
            found.save()
    except IntegrityError as error:
        raise Refused(
            "site_user.map.taken",
            _("{name} is somebody else's user name on {cluster}. One name belongs to one person."),
            name=name,
            cluster=cluster.slug,
        ) from error
    log("site_user.mapped", person.code, by=by, now=now, cluster=cluster.slug)
    return found
