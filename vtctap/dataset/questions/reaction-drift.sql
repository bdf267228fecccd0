-- Which meters answer slower, or faster, from day to day?
select
  sessions.meter, count(*) as answers, min(exchanges.time_epoch)::date as since,
  round(median(response_time), 6) as median_s,
  round(regr_slope(response_time, epoch(exchanges.time_epoch) / 86400) * 1000, 6) as drift_ms_a_day,
  round(regr_r2(response_time, epoch(exchanges.time_epoch) / 86400), 3) as certainty
from exchanges join sessions using (trace_id, link, session)
where response_time is not null
  and (getvariable('since') is null or exchanges.time_epoch >= getvariable('since'))
group by sessions.meter
having count(*) >= 10 and max(exchanges.time_epoch) > min(exchanges.time_epoch)
order by abs(drift_ms_a_day) desc, sessions.meter
