-- The views that follow from the records: requests with their first answer, and sessions.
create or replace view exchanges as
with
  answers as (
    select * from records where request_in is not null and kind = 'frame'
    qualify row_number() over (partition by trace_id, request_in order by number) = 1
  )
select
  request.trace, request.trace_id, request.link, request.session, request.number, request.time_epoch, request.time_ns,
  request.message, request.cmd, request.register, request.register_name, request.value, request.repeat_of,
  answer.number as answer_number, answer.message as answer_message, answer.value as answer_value,
  answer.value_decoded as answer_value_decoded, answer.error_code, answer.bcc_status as answer_bcc_status,
  answer.response_time
from records request left join answers answer
  on answer.trace_id = request.trace_id and answer.request_in = request.number
where request.kind = 'frame' and request.sender = 'client' and request.message is not null and request.echo is null;

-- A meter is known by what it says of itself (the first id), else by the trace and the link.
create or replace view sessions as
select
  trace, trace_id, link, session,
  min(time_epoch) as begins, max(time_epoch) as ends, (max(time_ns) - min(time_ns)) / 1e9 as duration,
  count(*) as frames,
  count(*) filter (sender = 'client' and message is not null and echo is null) as requests,
  count(request_in) as answers,
  count(repeat_of) as repeats,
  count(*) filter (bcc_status = 'bad' or error_parity is not null or error_framing is not null) as damaged,
  arg_min(id_manufacturer, number) as make,
  coalesce(arg_min(id_manufacturer || id_text, number), trace || ' link ' || link) as meter
from records where session is not null
group by trace, trace_id, link, session;
