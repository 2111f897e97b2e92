/**
 * What the daemon asks of Redis, as one script: any number of operations in one round trip, in order.
 *
 * Everything is JSON, except what must keep all digits of a number: that is text. The time is Redis' own, so that the
 * clocks of daemons need not agree.
 * @module
 */

import { graceMs } from "./claims.ts";

/** One operation: its name, its key, and what it needs besides. */
export interface RedisOperation {
  readonly key: RedisKey;
  readonly words: readonly (string | number)[];
}

/** A key, and the tag that says where in a cluster it lies. */
export interface RedisKey {
  readonly tag: string;
  readonly name: string;
}

/**
 * KEYS[i] belongs to operation i; ARGV[1] holds the operations. Answers with a JSON array.
 *
 * - A claim is a hash: `s` (p: pending, d: done), `t` token, `f` fence, `u` until when it is pending, `m` memo.
 * - A session is a hash: `o:<daemon>` what that daemon stored of it, `due`, `closed` version of the last end,
 *   `dirty` whether anything came since, `ct` and `cu` who is ending it and until when.
 * - A device is a hash: `id` of its live session, `last` time of the latest event.
 */
export const script = `
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local micros = clock[1] * 1000000 + clock[2]
local operations = cjson.decode(ARGV[1])

local function digits(number) return string.format('%.0f', number) end

local function hold(key, token, pendingMs)
  local claim = redis.call('HMGET', key, 's', 't', 'f', 'u', 'm')
  local state, owner, fence, till = claim[1], claim[2], claim[3], claim[4]
  if state == 'd' then return {'done', fence, claim[5] or ''} end
  if state == 'p' and tonumber(till) > now and owner ~= token then
    return {'pending', fence}
  end
  local next = micros
  if fence and tonumber(fence) >= next then next = tonumber(fence) + 1 end
  redis.call('HSET', key, 's', 'p', 't', token, 'f', digits(next), 'u', digits(now + pendingMs))
  redis.call('PEXPIRE', key, pendingMs + ${graceMs})
  return {'taken', digits(next), state == 'p' and owner ~= token and 1 or 0}
end

local run = {}

run.hold = hold

function run.done(key, token, keepMs, memo)
  if redis.call('HGET', key, 't') ~= token then return 0 end
  redis.call('HSET', key, 's', 'd')
  if memo then redis.call('HSET', key, 'm', memo) end
  redis.call('PEXPIRE', key, keepMs)
  return 1
end

-- Was done without asking. Says whether somebody else had done it.
function run.mark(key, token, keepMs, memo)
  local known = redis.call('HMGET', key, 's', 't', 'f')
  if known[1] == 'd' and known[2] ~= token then return 1 end
  redis.call('HSET', key, 's', 'd', 't', token, 'f', known[3] or digits(micros))
  if memo then redis.call('HSET', key, 'm', memo) end
  redis.call('PEXPIRE', key, keepMs)
  return 0
end

function run.release(key, token)
  local claim = redis.call('HMGET', key, 's', 't')
  if claim[1] == 'p' and claim[2] == token then redis.call('DEL', key) end
  return 1
end

-- Joins the live session of a device, or begins it; then claims its start, if there is no start yet.
function run.join(key, time, latest, candidate, timeoutMs, starts, token, pendingMs)
  local live = redis.call('HMGET', key, 'id', 'last')
  local id = live[1]
  if not id or time - tonumber(live[2]) > timeoutMs then
    id = candidate
    redis.call('HSET', key, 'id', id, 'last', digits(latest))
  elseif latest > tonumber(live[2]) then redis.call('HSET', key, 'last', digits(latest)) end
  redis.call('PEXPIRE', key, 2 * timeoutMs + ${graceMs})
  local start = hold(starts .. id, token, pendingMs)
  return {id, start[1], start[2], start[3]}
end

-- What this daemon stored of a session, as a whole: telling it twice changes nothing.
function run.publish(key, daemon, fold, due, keepMs)
  local field = 'o:' .. daemon
  local known = redis.call('HMGET', key, field, 'due')
  if known[1] ~= fold then redis.call('HSET', key, field, fold, 'dirty', '1') end
  if not known[2] or tonumber(known[2]) < due then redis.call('HSET', key, 'due', digits(due)) end
  redis.call('PEXPIRE', key, keepMs)
  return 1
end

-- The session of a device goes on: told by who knows of a later event.
function run.extend(key, id, time)
  local live = redis.call('HMGET', key, 'id', 'last')
  if live[1] == id and tonumber(live[2]) < time then redis.call('HSET', key, 'last', digits(time)) end
  return 1
end

-- The right to end a session, with all that is known of it.
function run.close(key, token, version, pendingMs, startKey, isEarly)
  local known = redis.call('HMGET', key, 'due', 'closed', 'dirty', 'ct', 'cu')
  if isEarly == 0 and known[1] and tonumber(known[1]) > now then return {'later', known[1]} end
  local closed = tonumber(known[2] or '0')
  if closed > 0 and known[3] ~= '1' then return {'closed', closed} end
  if known[4] and known[4] ~= token and tonumber(known[5]) > now then return {'busy', known[5]} end
  if version > closed then closed = version end
  redis.call('HSET', key, 'ct', token, 'cu', digits(now + pendingMs), 'dirty', '0')
  local folds = {}
  local fields = redis.call('HGETALL', key)
  for i = 1, #fields, 2 do
    if string.sub(fields[i], 1, 2) == 'o:' then folds[#folds + 1] = fields[i + 1] end
  end
  local start = redis.call('HMGET', startKey, 's', 'm')
  return {'yours', closed + 1, digits(micros), start[1] == 'd' and start[2] or '', folds}
end

function run.closed(key, token, version, keepMs)
  if redis.call('HGET', key, 'ct') ~= token then return 0 end
  redis.call('HSET', key, 'closed', version)
  redis.call('HDEL', key, 'ct', 'cu')
  redis.call('PEXPIRE', key, keepMs)
  return 1
end

-- It could not be ended after all.
function run.reopen(key, token)
  if redis.call('HGET', key, 'ct') ~= token then return 0 end
  redis.call('HSET', key, 'dirty', '1')
  redis.call('HDEL', key, 'ct', 'cu')
  return 1
end

-- A value that all agree on: the first one wins.
function run.agree(key, value, keepMs)
  if redis.call('SET', key, value, 'NX', 'PX', keepMs) then return value end
  return redis.call('GET', key)
end

local answers = {}
for i, operation in ipairs(operations) do
  answers[i] = run[operation[1]](KEYS[i], unpack(operation, 2))
end
return cjson.encode(answers)
`;
