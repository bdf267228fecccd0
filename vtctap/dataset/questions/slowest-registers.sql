-- Which registers take the longest to answer, by their 95th percentile?
select
  asked.register, min(asked.name) as name, count(*) as answers,
  round(median(response_time), 6) as median_s, round(quantile_cont(response_time, 0.95), 6) as p95_s,
  max(response_time) as longest_s
from (
  select response_time, unnest(register) as register, unnest(register_name) as name
  from exchanges
  where response_time is not null
    and (getvariable('since') is null or time_epoch >= getvariable('since'))
) asked
where asked.register <> ''
group by asked.register
order by p95_s desc, asked.register
limit 20
