-- Which tokens were refused in the last week of the set (or --since), and why?
with last as (select coalesce(getvariable('since'), max(time_epoch)::date - 7) as day from records)
select
  tokens.time_epoch as time, tokens.token, tokens.token_name as name, tokens.outcome,
  coalesce(status_token_meaning, status_token_name, answer_message, 'no answer') as why,
  sessions.meter, tokens.trace, tokens.number
from tokens
left join sessions using (trace_id, link, session)
left join exchanges on exchanges.trace_id = tokens.trace_id and exchanges.number = tokens.number
where tokens.outcome in ('rejected', 'locked out', 'refused') and tokens.time_epoch >= (select day from last)
order by tokens.time_epoch, tokens.trace, tokens.number
