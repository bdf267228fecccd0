-- Which meters answer slower, or faster, from day to day?
with
  timed as (
    -- Days since the first answer: the days since 1970 would leave the slope few exact digits.
    select
      sessions.meter, response_time, exchanges.time_epoch,
      epoch(exchanges.time_epoch - min(exchanges.time_epoch) over (partition by sessions.meter)) / 86400 as day
    from exchanges join sessions using (trace_id, link, session)
    where response_time is not null
      and (getvariable('since') is null or exchanges.time_epoch >= getvariable('since'))
  )
select
  meter, count(*) as answers, min(time_epoch)::date as since,
  round(median(response_time), 6) as median_s,
  round(regr_slope(response_time, day) * 1000, 6) as drift_ms_a_day,
  round(regr_r2(response_time, day), 3) as certainty
from timed
group by meter
having count(*) >= 10 and max(day) > 0
order by abs(drift_ms_a_day) desc, meter
