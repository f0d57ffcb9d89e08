"""Why a job waits or how it ended, in words."""

from uzina.core.text import _

REASONS = {
    "Resources": _("It is next: it starts as soon as enough GPUs, cores and memory are free."),
    "Priority": _("Other jobs are before it in the queue."),
    "Dependency": _("It waits for another job to end."),
    "DependencyNeverSatisfied": _(
        "The job it was to come after did not end well, so it was not started. Nothing was charged."
    ),
    "BeginTime": _("It waits for its start time."),
    "JobHeldUser": _("It is held back by its owner."),
    "JobHeldAdmin": _("It is held back by the cluster's administrators."),
    "AssocGrpGRESMinutes": _(
        "The cluster's own limit of GPU-minutes for this account leaves too little for the time "
        "limit. Shorten the job or ask the operators."
    ),
    "AssocGrpBillingMinutes": _(
        "The cluster's own limit for this account leaves too little for the time limit. "
        "Shorten the job or ask the operators."
    ),
    "AssocGrpGRES": _("The account uses as many GPUs as it may at one time."),
    "AssocMaxJobsLimit": _("The account runs as many jobs as it may at one time."),
    "QOSMaxJobsPerUserLimit": _("As many jobs run as one user may run at one time."),
    "QOSMaxGRESPerUser": _("As many GPUs are in use as one user may use at one time."),
    "QOSMaxSubmitJobPerUserLimit": _("As many jobs wait as one user may have waiting."),
    "PartitionTimeLimit": _(
        "Its time limit is longer than the partition allows. Cancel it and submit it with a "
        "shorter one."
    ),
    "PartitionNodeLimit": _(
        "It asks for more nodes than the partition has. Cancel it and submit it with fewer."
    ),
    "PartitionDown": _("The partition takes no jobs at the moment."),
    "ReqNodeNotAvail": _("The nodes it needs are reserved or in maintenance."),
    "Reservation": _("It waits for its reservation to begin."),
    "BadConstraints": _("No node has what it asks for. Cancel it and change what it asks for."),
    "NodeDown": _("A node it needs is down."),
    "Licenses": _("It waits for a licence."),
    "JobArrayTaskLimit": _("As many tasks of the array run as may run at one time."),
    "AssocGrpCPUMinutesLimit": _(
        "The cluster's own limit of core-minutes for this account leaves too little for the time "
        "limit. Shorten the job or ask the operators."
    ),
    "AssocGrpCpuLimit": _("The account uses as many cores as it may at one time."),
    "AssocGrpMemLimit": _("The account uses as much memory as it may at one time."),
    "AssocGrpNodeLimit": _("The account uses as many nodes as it may at one time."),
    "AssocGrpJobsLimit": _("The account runs as many jobs as it may at one time."),
    "AssocGrpSubmitJobsLimit": _("The account has as many jobs waiting as it may have."),
    "AssocMaxWallDurationPerJobLimit": _(
        "Its time limit is longer than this account allows. Cancel it and submit it with a shorter "
        "one."
    ),
    "AssociationJobLimit": _("The account runs as many jobs as it may at one time."),
    "AssociationResourceLimit": _("The account uses as much of the cluster as it may at one time."),
    "InvalidAccount": _("The cluster does not know the account. Ask the operators."),
    "InvalidQOS": _("The cluster does not know the class of service. Ask the operators."),
    "QOSGrpGRES": _("All GPUs of this class of service are in use."),
    "QOSGrpCpuLimit": _("All cores of this class of service are in use."),
    "QOSMaxCpuPerUserLimit": _("As many cores are in use as one user may use at one time."),
    "QOSMaxNodePerUserLimit": _("As many nodes are in use as one user may use at one time."),
    "QOSJobLimit": _("As many jobs run as this class of service allows at one time."),
    "QOSResourceLimit": _("As much is in use as this class of service allows at one time."),
    "PartitionInactive": _("The partition starts no jobs at the moment."),
    "FrontEndDown": _("The cluster's front end is down."),
    "JobLaunchFailure": _("The cluster could not start it. Ask the operators."),
    "launch failed requeued held": _("The cluster could not start it. Ask the operators."),
    "Prolog": _("The node is being prepared for it."),
    "Cleaning": _("The nodes are still being cleaned up after the job before."),
    "DeadLine": _("It could not be finished before its deadline."),
    "BurstBufferResources": _("It waits for fast storage to be free."),
    "SystemFailure": _("The cluster failed. These hours are not charged."),
    "None": "",
    "HandOver": _("It is being handed over to the cluster."),
    "NoAccountYet": _(
        "The cluster does not know the project's account, or you in it, yet. It is being made; the "
        "job is kept and will be handed over then."
    ),
    "SchedulerDown": _(
        "The cluster did not answer. The job is kept and will be handed over when it does."
    ),
    "DiskFull": _(
        "There is no room for its files at the moment. The job is kept and will be handed over "
        "when there is."
    ),
    "Uncertain": _(
        "The cluster broke off while it took the job. Whether it has it is being looked up, so "
        "that it runs once."
    ),
    "Silent": _("The cluster does not answer. Shown is what it said last; nothing is lost."),
    "Unmeasured": _("It has ended. What it used is charged when the cluster has measured it."),
    "TimeLimit": _("It reached its time limit and was stopped."),
    "OutOfMemory": _("It used more memory than it asked for and was stopped."),
    "NonZeroExitCode": _("Its program ended with an error. The log says more."),
    "NodeFail": _("A node failed under it. These hours are not charged."),
    "Rejected": _("The cluster refused it."),
    "Inputs": _("Its inputs could not be made ready."),
    "AccessOver": _(
        "Its project may no longer use data that it reads, so it was not started. Nothing was "
        "charged."
    ),
    "Vanished": _("The cluster no longer knows it. Nothing was charged."),
    "Rebooted": _("The machine stopped while it ran. Nothing was charged."),
    "Cancelled": _("It was cancelled."),
}


def reason_in_words(code: str) -> str:
    """Return the English sentence for a reason code; the code itself where there is none.

    Slurm adds details after a comma ("ReqNodeNotAvail, UnavailableNodes:n1"): only the code
    before it counts.
    """
    head = code.partition(",")[0].strip()
    return REASONS.get(head, head)
