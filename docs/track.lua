-- wrk -t2 -c64 -d30 -s docs/track.lua http://localhost:8080/track
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"

function request()
  return wrk.format(nil, nil, nil, string.format(
    '{"event_name":"payment_successful","event_type":"purchase","triggered_at":%d,' ..
    '"user_details":{"user_id":%d,"country":"GB"},' ..
    '"event_details":{"item_id":1001,"item_name":"USB-C hub","price":39.95}}',
    os.time(), math.random(1, 5000)))
end
