-- Asks for a random link each time, with what a browser sends. The first argument is a file of codes.

local requests = {}

function init(args)
  local headers = {
    ["Accept"] = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
    ["Accept-Encoding"] = "gzip, deflate, br, zstd",
    ["Accept-Language"] = "en-GB,en-US;q=0.9,en;q=0.8",
    ["Cache-Control"] = "no-cache",
    ["Connection"] = "keep-alive",
    ["Pragma"] = "no-cache",
    ["Referer"] = "https://news.example.org/front/page?item=4711",
    ["Sec-CH-UA"] = '"Chromium";v="141", "Not?A_Brand";v="8", "Google Chrome";v="141"',
    ["Sec-CH-UA-Mobile"] = "?0",
    ["Sec-CH-UA-Platform"] = '"Windows"',
    ["Sec-Fetch-Dest"] = "document",
    ["Sec-Fetch-Mode"] = "navigate",
    ["Sec-Fetch-Site"] = "cross-site",
    ["Sec-Fetch-User"] = "?1",
    ["Upgrade-Insecure-Requests"] = "1",
    ["User-Agent"] = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
  }
  for code in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format("GET", "/" .. code, headers)
  end
end

function request()
  return requests[math.random(#requests)]
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format("requests=%d micros=%d refused=%d broken=%d\n", summary.requests, summary.duration, e.status,
    e.connect + e.read + e.write + e.timeout))
end
