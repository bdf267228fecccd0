-- Which meters speak another dialect after a day (--since; without: in several character formats)?
with
  spoken as (
    select
      sessions.meter, records.time_epoch,
      concat_ws(' ', records.line, records.message, records.bcc_status, records.bcc_rule) as form
    from records join sessions using (trace_id, link, session)
    where records.sender = 'server' and records.message is not null
      and records.bcc_status is distinct from 'bad' and records.cut is null and records.error_parity is null
  ),
  forms as (
    select meter, form, min(time_epoch) as begins, max(time_epoch) as ends, count(*) as frames
    from spoken group by meter, form
  ),
  meters as (select meter, min(begins) as begins, max(ends) as ends from forms group by meter)
select
  meter, form, forms.begins, forms.ends, frames,
  case when forms.begins >= getvariable('since') then 'new' else 'no more' end as change
from forms join meters using (meter)
where getvariable('since') is not null
  and meters.begins < getvariable('since') and meters.ends >= getvariable('since')
  and (forms.begins >= getvariable('since') or forms.ends < getvariable('since'))
union all
select meter, form, forms.begins, forms.ends, frames, case when forms.begins = meters.begins then 'first' else 'later' end
from forms join meters using (meter)
where getvariable('since') is null
  and meter in (select meter from forms group by meter having count(distinct split_part(form, ' ', 1)) > 1)
order by meter, begins, form
