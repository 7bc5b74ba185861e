"""The metrics once more, written from their definitions alone, to judge the engine by.

Nothing in `answers`, `chance` or `intervals` imports Theodora: they are Python over plain dicts,
with the calendars of pandas and the tests of scipy. A deployment is `id`, `service`, `env`,
`team`, `repository_id`, `custom_tags`, `finished_at_ns`, `lead_times` (seconds or None, one a
commit), `stages` (seconds or None by name, one dict a commit), `change_failure`, `deployment_type`
and `recovery_time` (seconds or None). An incident is `id`, `services`, `env`, `team`,
`repository_id`, `custom_tags`, `started_at_ns`, `finished_at_ns` (None while it is open) and
`periods` (pairs of start and end, if it was reopened). `worlds` and `questions` make random ones.
"""
