-- How long do meters take to answer, by make and month?
select
  coalesce(sessions.make, 'unknown') as make, strftime(exchanges.time_epoch, '%Y-%m') as month,
  count(distinct sessions.meter) as meters, count(*) as answers,
  round(median(response_time), 6) as median_s, round(quantile_cont(response_time, 0.95), 6) as p95_s,
  max(response_time) as longest_s
from exchanges join sessions using (trace_id, link, session)
where response_time is not null
  and (getvariable('since') is null or exchanges.time_epoch >= getvariable('since'))
group by all
order by make, month
