// The page shows what the Monitor says, and computes no state of its own. Every text goes into
// the page as text: no answer is ever markup.

const $ = (id) => document.getElementById(id);
const shownAliases = 60; // more would be slow to read and to draw; the field Find reaches them
const shownEvents = 50;
const keptEvents = 1000;
const staleAfter = 5000; // ms that news may be late

let status = null; // the newest snapshot
let since = performance.now(); // when it came, by a clock that never steps; before that, when the page was opened
let next = 1000; // ms from one to the next, as the Monitor has said
let trouble = ''; // why there is no news, if that is known
let events = []; // newest first
let older = shownEvents;
let cards = new Map();
let holders = null; // who had each alias, to say what changed

// A text that is set only where it is another one: what a reader has selected stays, and a
// screen reader is not told the same again.
function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function make(name, text, kind) {
  const node = document.createElement(name);
  if (text !== undefined) node.textContent = text;
  if (kind) node.className = kind;
  return node;
}

const two = (n) => String(n).padStart(2, '0');

function lasting(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return s + ' s';
  if (s < 3600) return Math.floor(s / 60) + ' min ' + two(s % 60) + ' s';
  if (s < 86400) return Math.floor(s / 3600) + ' h ' + two(Math.floor(s / 60) % 60) + ' min';
  return Math.floor(s / 86400) + ' d ' + Math.floor(s / 3600) % 24 + ' h';
}

// The Monitor's clock now: ages must not depend on the clock of the browser's host.
const now = () => Date.parse(status.now) + (performance.now() - since);
const age = (time) => lasting(now() - Date.parse(time));
const known = (time) => time && !time.startsWith('0001-');

function holderWords(a) {
  if (a.role === 'shared') return a.holder === 'us' ? ['us', 'Here'] : ['', 'Not here'];
  switch (a.holder) {
    case 'us': return ['us', 'This host has it'];
    case 'partner': return ['partner', 'The partner has it'];
    case 'nobody': return ['nobody', 'Nobody has it'];
    case 'unknown': return ['', 'Not known who has it'];
  }
  return ['stranger', a.holder + ' has it'];
}

const standings = {
  holding: 'it holds the alias', able: 'it could take it', 'cannot serve': 'it cannot serve it', parked: 'parked there',
  released: 'it has let it go', 'not sure': 'it does not know',
};

const daemons = {
  'fallen silent': 'Its daemon is not heard any more.', 'not heard yet': 'Its daemon has not been heard yet.',
  'not heard since our start': 'Its daemon has not been heard since this Monitor started.',
};

// The partner's view: its age comes first, and what is old says so.
function saysWords(a) {
  const s = a.says;
  if (!s) {
    if (a.role === 'shared') return ['', 'nobody is asked: many hosts have it', true];
    return ['', 'there is no channel; its address ' + answer(a.partner.answer), a.partner.answer !== 'answered'];
  }
  let said = standings[s.state] || s.state || '';
  if (said && s.state !== 'holding' && s.why) said += ': ' + s.why;
  const heard = s.daemon === 'heard';
  const silence = heard ? '' : daemons[s.daemon] || 'Its daemon is ' + s.daemon + '.';
  if (!said) return ['', heard ? 'it has said nothing about it yet' : silence, true];
  return [known(s.at) ? age(s.at) + ' ago:' : '', said + (heard ? '' : '. ' + silence), !heard];
}

const answer = (word) => ({ answered: 'answers', silent: 'is silent' })[word] || 'is unknown';

function standbyWords(a) {
  const s = a.standby;
  if (!s) return ['nothing is known', true, false];
  const who = s.host === 'us' ? 'this host' : 'the partner';
  const why = s.why ? ': ' + s.why : '';
  if (s.ready === 'yes') return [who + ' would take it', false, false];
  if (s.ready === 'no') return [who + ' would not take it' + why, false, s.level !== ''];
  return ['it is not known whether ' + who + ' would take it' + why, true, !!s.level];
}

function notes(a) {
  const all = [];
  const say = (text, kind) => all.push([text, kind || '']);
  for (const p of a.pair || []) say('Alarm: the pair does not fit: ' + p, 'alarm');
  if (a.parked) say('Parked on this host by an operator.');
  if (a.hand_over) say('Hand-over open: ' + a.hand_over);
  else if (a.standby && a.standby.hand_over === 'no' && a.standby.hand_over_why !== a.standby.why) say('A hand-over would not work now: ' + a.standby.hand_over_why);
  if (a.group) say('Group ' + a.group.name + ': all could be here: ' + a.group.here + ', on the partner: ' + a.group.partner + (a.group.missing ? '; missing here: ' + a.group.missing : '') + (a.group.partner_missing ? '; missing there: ' + a.group.partner_missing : ''));
  if (a.checks && a.checks.length) say('Checked by ' + a.checks.join(', '));
  const r = a.recovery;
  if (r) {
    let text = 'Recovery of the partner’s service (check ' + r.check + '): ';
    if (known(r.fenced)) text += 'the partner was fenced ' + age(r.fenced) + ' ago';
    else if (r.step !== 'idle') text += 'at the step ' + r.step + ' for ' + age(r.since);
    else text += r.held ? 'the service is failing, and nothing is done: ' + r.held : 'nothing to do';
    say(text + '; ' + r.begun + ' of ' + r.budget + ' begun within an hour' + (r.last ? '; ' + r.last : ''), r.level === 'alarm' ? 'alarm' : '');
  }
  for (const h of a.hooks || []) say('Hook ' + h.hook + ' ' + h.result + ' ' + age(h.at) + ' ago' + (h.error ? ': ' + h.error : ''), h.result === 'failed' ? 'alarm' : '');
  return all;
}

// Rows of a table or a list, changed in place.
function rows(body, all, cells) {
  while (body.children.length > all.length) body.lastChild.remove();
  all.forEach((one, i) => {
    const texts = cells(one);
    let row = body.children[i];
    if (!row || row.children.length !== texts.length) {
      const made = make('tr');
      texts.forEach(() => made.append(make('td')));
      if (row) row.replaceWith(made); else body.append(made);
      row = made;
    }
    texts.forEach((text, j) => put(row.children[j], text));
    const old = one.value === 'unknown' || one.state === 'unknown' || one.kept === 'unknown';
    if (row.className !== (old ? 'old' : '')) row.className = old ? 'old' : '';
  });
}

function lines(list, all) {
  while (list.children.length > all.length) list.lastChild.remove();
  all.forEach(([text, kind], i) => {
    if (!list.children[i]) list.append(make('li'));
    put(list.children[i], text);
    list.children[i].className = kind;
  });
}

function card(key) {
  const item = $('card').content.firstElementChild.cloneNode(true);
  const parts = {};
  for (const node of item.querySelectorAll('[data-is]')) parts[node.dataset.is] = node;
  return { key, item, parts, article: item.querySelector('article'), details: item.querySelector('details') };
}

function showAlias(c, a) {
  const p = c.parts;
  const [kind, words] = holderWords(a);
  if (c.article.className !== kind) c.article.className = kind;
  put(p.alias, a.alias + '/' + a.prefix);
  put(p.of, ' of ' + a.alias);
  put(p.nic, a.nic + ', ' + (a.role === 'shared' ? 'on many hosts' : a.role));
  put(p.holder, words);
  put(p.since, known(a.since) ? 'decided ' + age(a.since) + ' ago' : '');
  put(p.why, a.why + (a.row ? ' (' + a.row + ')' : ''));
  put(p.level, a.level || 'well');
  p.level.className = 'chip ' + (a.level || 'well');
  const [when, says, old] = saysWords(a);
  put(p['says-age'], when);
  put(p.says, says);
  p.says.className = p['says-age'].className = old ? 'old' : '';
  p['says-age'].classList.add('age');
  const [standby, vague, loud] = standbyWords(a);
  put(p.standby, standby);
  p.standby.className = loud ? 'loud' : vague ? 'old' : '';
  lines(p.notes, notes(a));
  if (c.details.open) {
    rows(p.facts, a.facts, (f) => [f.name, f.value + (f.by ? ' by ' + f.by : '') + (f.why ? ': ' + f.why : ''), known(f.since) ? age(f.since) : '', known(f.asked) ? age(f.asked) + ' ago' : '']);
  }
}

const weight = { alarm: 0, error: 1, warning: 2 };

function showAliases() {
  const wanted = $('find').value.trim().toLowerCase();
  const all = status.aliases || [];
  $('find-part').hidden = all.length <= 6;
  const found = all.filter((a) => !wanted || [a.alias, a.nic, a.holder, a.why, a.level || 'well'].join(' ').toLowerCase().includes(wanted));
  // Where there are too many for the page, those come first that somebody must look at.
  const some = found.length > shownAliases ? found.slice().sort((a, b) => (weight[a.level] ?? 3) - (weight[b.level] ?? 3)).slice(0, shownAliases) : found;
  const keys = new Map(some.map((a) => [a.alias + ' ' + a.nic, a]));
  for (const [key, c] of cards) {
    if (!keys.has(key)) {
      c.item.remove();
      cards.delete(key);
    }
  }
  let at = $('aliases').firstElementChild;
  for (const [key, a] of keys) {
    let c = cards.get(key);
    if (!c) {
      c = card(key);
      cards.set(key, c);
      c.details.addEventListener('toggle', () => showAliases());
    }
    showAlias(c, a);
    if (c.item === at) at = at.nextElementSibling;
    else $('aliases').insertBefore(c.item, at);
  }
  $('more-aliases').hidden = found.length <= some.length;
  put($('more-aliases'), some.length + ' of ' + found.length + ' are shown, those with problems first; Find reaches the others.');
  const here = all.filter((a) => a.holder === 'us').length;
  const bad = all.filter((a) => a.level).length;
  put($('summary'), here + ' of ' + all.length + ' here' + (bad ? ', ' + bad + ' to look at' : ''));
  sayChanges(all);
}

// A screen reader hears who has an alias now, and not what each second brings.
function sayChanges(all) {
  const next = new Map(all.map((a) => [a.alias + ' ' + a.nic, holderWords(a)[1]]));
  if (holders) {
    const news = [];
    for (const a of all) {
      const key = a.alias + ' ' + a.nic;
      if (holders.has(key) && holders.get(key) !== next.get(key)) news.push(a.alias + ': ' + next.get(key));
    }
    if (news.length) put($('said'), news.length > 5 ? news.length + ' aliases have changed hands' : news.join('. '));
  }
  holders = next;
}

function showOthers() {
  const problems = (status.problems || []).slice();
  if (status.maintenance) problems.unshift('In maintenance: this host stays out of all aliases.');
  if (status.observing) problems.unshift('Observing: this Monitor says what it would do, and does nothing.');
  $('problems-part').hidden = problems.length === 0;
  lines($('problems'), problems.map((p) => [p, '']));

  const checks = status.checks || [];
  $('checks-part').hidden = checks.length === 0;
  rows($('checks'), checks, (c) => [c.name + ' (' + c.kind + ')', c.state, known(c.since) ? age(c.since) : '', known(c.asked) ? age(c.asked) + ' ago' : '', c.why + (c.output ? ': ' + c.output : '')]);

  const routes = status.routes || [];
  $('routes-part').hidden = routes.length === 0;
  rows($('routes'), routes, (r) => [r.route, (r.via || []).map((v) => v.hop).join(', ') || 'nowhere', (r.hops || []).map((h) => h.hop + ' ' + h.answer + (h.why ? ' (' + h.why + ')' : '')).join(', '), age(r.since), (r.level ? r.level + ': ' : '') + r.why + ' (' + r.row + ')']);

  put($('foot'), 'Version ' + status.version + '. This Monitor runs for ' + age(status.started) + '.');
  showWhich();
}

function showWhich() {
  const all = status.aliases || [];
  $('which-part').hidden = all.length < 2;
  const select = $('which');
  const same = select.options.length === all.length + 1 && all.every((a, i) => select.options[i + 1].value === a.alias + ' ' + a.nic);
  if (same) return;
  const chosen = select.value;
  while (select.options.length > 1) select.lastChild.remove();
  for (const a of all) {
    const o = make('option', a.alias + ' ' + a.nic);
    o.value = a.alias + ' ' + a.nic;
    select.append(o);
  }
  select.value = chosen;
  if (select.selectedIndex < 0) select.value = '';
  put(select.options[0], all.length > 8 ? 'the first eight' : 'all');
}

// The event log. Kinds are whatever there is: a later Monitor may have others.
function eventText(e) {
  let text = e.text || e.why || e.event;
  if (e.event === 'started') text = 'the Monitor started' + (e.text ? ', ' + e.text : '');
  if (e.event === 'ended') text = 'the Monitor ended';
  if (e.error) text += ': ' + e.error;
  return text;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false });
const day = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric' });

function eventItem(e) {
  const item = make('li');
  const when = new Date(e.time);
  const time = make('time', (when.toDateString() === new Date().toDateString() ? '' : day.format(when) + ' ') + clock.format(when) + '.' + String(when.getMilliseconds()).padStart(3, '0'));
  time.dateTime = e.time;
  const what = make('span');
  if (e.level !== 'info') what.append(make('span', e.level, 'chip ' + e.level), ' ');
  what.append(eventText(e), ' ', make('span', e.event.replaceAll('_', ' ') + (e.row ? ', ' + e.row : ''), 'kind'));
  item.append(time, make('span', e.alias || e.route || e.check || e.partner || '', 'about'), what);
  return item;
}

let eventsShown = '';

function showEvents() {
  const kinds = [...new Set(events.map((e) => e.event))].sort();
  const select = $('kind');
  if ([...select.options].slice(1).map((o) => o.value).join() !== kinds.join()) {
    const chosen = select.value;
    while (select.options.length > 1) select.lastChild.remove();
    for (const k of kinds) {
      const o = make('option', k.replaceAll('_', ' '));
      o.value = k;
      select.append(o);
    }
    select.value = kinds.includes(chosen) ? chosen : '';
  }
  const found = events.filter((e) => !select.value || e.event === select.value);
  const some = found.slice(0, older);
  const key = (e) => e.run + ' ' + e.seq;
  const list = $('events');
  const as = select.value + ' ' + older;
  if (as === eventsShown && list.firstElementChild && some.some((e) => key(e) === list.firstElementChild.dataset.key)) {
    // Only what is new comes in, above; the rest stays as it is.
    const first = list.firstElementChild;
    for (const e of some) {
      if (key(e) === first.dataset.key) break;
      const item = eventItem(e);
      item.dataset.key = key(e);
      list.insertBefore(item, first);
    }
    while (list.children.length > older) list.lastChild.remove();
  } else {
    list.replaceChildren(...some.map((e) => {
      const item = eventItem(e);
      item.dataset.key = key(e);
      return item;
    }));
  }
  eventsShown = as;
  $('no-events').hidden = some.length > 0;
  put($('no-events'), 'Nothing has happened yet.');
  $('older').hidden = found.length <= some.length;
}

// The timeline is drawn by the Monitor. The former drawing stays until the next one is there.
let drawing = false;
let drawAgain = false;
let drawn = 0;

function question() {
  const q = new URLSearchParams({ seconds: $('length').value, width: Math.round($('time-part').clientWidth - 16), zone: new Date().getTimezoneOffset() });
  const chosen = (status.aliases || []).find((a) => a.alias + ' ' + a.nic === $('which').value);
  if (chosen) {
    q.set('alias', chosen.alias);
    q.set('nic', chosen.nic);
  }
  return q;
}

async function draw() {
  $('time-part').hidden = !status || !(status.aliases || []).length;
  if (!status || document.hidden || $('time-part').hidden) return;
  if (drawing) {
    drawAgain = true;
    return;
  }
  drawing = true;
  drawn = performance.now();
  try {
    const q = question();
    const next = new Image();
    next.alt = $('drawing').alt;
    next.id = 'drawing';
    next.src = '/timeline.svg?' + q + '&at=' + Math.round(drawn);
    await next.decode().then(() => $('drawing').replaceWith(next), () => {});
    if ($('time-details').open) {
      const table = await fetch('/timeline.json?' + q);
      if (table.ok) {
        rows($('pieces'), (await table.json()).reverse(), (p) => {
          const from = new Date(p.from);
          return [p.alias, day.format(from) + ' ' + clock.format(from), (Date.parse(p.to) - from < 1000) ? Date.parse(p.to) - from + ' ms' : lasting(Date.parse(p.to) - from), (p.bad ? 'Look: ' : '') + p.who];
        });
      }
    }
  } catch {
    // The stream tells that there is no connection.
  }
  drawing = false;
  if (drawAgain) {
    drawAgain = false;
    setTimeout(draw, 1000);
  }
}

// Show everything again each second, so that ages go on, and say when there is no news.
function tick() {
  const quiet = performance.now() - since;
  const stale = trouble !== '' || quiet > next + staleAfter;
  document.body.classList.toggle('is-stale', stale);
  $('stale').hidden = !stale;
  if (stale) put($('stale'), trouble + 'No news from this Monitor for ' + lasting(quiet) + '.' + (status ? ' What is below is old.' : ''));
  if (status && !stale) {
    put($('live'), 'live');
    $('live').className = 'chip well';
  } else {
    put($('live'), stale ? 'no news' : 'connecting');
    $('live').className = stale ? 'chip error' : 'chip';
  }
  if (!status || document.hidden) return;
  showAliases();
  showOthers();
  if (performance.now() - drawn > Math.max(5000, Number($('length').value) * 2)) draw();
}

let stream = null;

function listen() {
  stream = new EventSource('/events');
  stream.addEventListener('state', (m) => {
    const told = JSON.parse(m.data);
    put($('host'), told.host);
    document.title = told.host + ' – Alias Defender';
    next = told.next;
    if (!told.status) { // what is there grows old
      trouble = 'The Monitor runs, but its loop does not answer: ' + told.error + '. ';
      tick();
      return;
    }
    trouble = '';
    const first = !status;
    status = told.status;
    since = performance.now();
    tick();
    if (first) draw();
  });
  const take = (all) => {
    events = all.reverse().concat(events).slice(0, keptEvents);
    showEvents();
    draw();
  };
  stream.addEventListener('all', (m) => {
    events = [];
    take(JSON.parse(m.data));
  });
  stream.addEventListener('more', (m) => take(JSON.parse(m.data)));
  stream.onerror = () => {
    if (stream.readyState === EventSource.CLOSED) again();
  };
}

// The stream was refused: there is no place, or the token is another one now.
async function again() {
  stream.close();
  const answered = await fetch('/', { method: 'HEAD' }).catch(() => null);
  if (answered && answered.status === 401) {
    location.reload();
    return;
  }
  trouble = answered && answered.ok ? 'As many pages are open as there may be; this one tries again. ' : '';
  tick();
  setTimeout(listen, 5000);
}

$('find').addEventListener('input', () => status && showAliases());
$('kind').addEventListener('change', showEvents);
$('length').addEventListener('change', draw);
$('which').addEventListener('change', draw);
$('time-details').addEventListener('toggle', draw);
$('older').addEventListener('click', () => {
  older += shownEvents;
  showEvents();
});
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) {
    tick();
    draw();
  }
});
let resized = 0;
addEventListener('resize', () => {
  clearTimeout(resized);
  resized = setTimeout(draw, 200);
});
setInterval(tick, 1000);
fetch('/', { method: 'HEAD' }).then((a) => { $('sign-out').hidden = !a.headers.has('Aliasdefender-Token'); }, () => {});
listen();
