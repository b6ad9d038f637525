# All sockets of the behaviour matrix, servers and clients, in one process: it opens them in any network namespace (setns), and they stay there.
# Reads commands from standard input, a JSON object a line, and answers each with one; ends when standard input does.
#
#   {"serve": [{"netns": PATH, "name": NAME, "ports": [PORT, …]}, …]}
#       Answers TCP connections, UDP datagrams and SCTP associations of both families with `NAME address-of-the-client`.
#   {"ask": [{"id", "netns", "protocol", "address", "port", "sources": [ADDRESS, …], "least", "most", "want": [NAME, …], "pauseMs"}, …],
#    "quietMs"}
#       Asks one after the other within an entry, entries beside each other: at least `least` times, then until all of `want` have answered or `most`
#       is reached, or until the first that is not answered, or is answered by somebody else. The n-th time goes out from the n-th of `sources`, in turn;
#       before they begin again there is a pause of `pauseMs`.
#       Answers {id: [EVENT, …]}: ["answer", text, own], ["icmp", type, code, offender], ["reset"], ["silence"], ["error", name].
#
# A reset is ECONNREFUSED with nothing in the socket's error queue; an ICMP error is in that queue (IP_RECVERR; for TCP since Linux 5.8), with type, code and
# sender. Silence is what is not answered once nothing has happened anywhere for `quietMs`, so that a busy machine makes the run longer, not different.
#
# SCTP: kernels need not have it (CONFIG_IP_SCTP). The first two packets of an association go over raw sockets (RFC 9260): INIT and INIT ACK, whose cookie
# is the answer. Packets with a wrong checksum are passed over.
import collections, ctypes, errno, json, os, resource, select, socket, struct, sys, time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../support'))
from sctp import INIT, INIT_ACK, IPPROTO_SCTP as SCTP, STATE_COOKIE, packet as sctp_packet, parse as sctp_parse

CLONE_NEWNET = 0x40000000
IP_RECVERR, IPV6_RECVERR, IP_PKTINFO, IPV6_FREEBIND = 11, 25, 8, 78
FAMILIES = (socket.AF_INET, socket.AF_INET6)
BURST = 32  # New probes between two looks at what came back: the queue of a CPU holds 1,000 packets.

libc = ctypes.CDLL(None, use_errno=True)
poller = select.epoll()
handlers = {}  # Called with the events of a file descriptor.
namespaces, current = {}, None

def enter(path):
    global current
    if path == current: return
    if path not in namespaces: namespaces[path] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    if libc.setns(namespaces[path], CLONE_NEWNET) != 0: raise OSError(ctypes.get_errno(), 'setns ' + path)
    current = path

def family_of(address): return socket.AF_INET6 if ':' in address else socket.AF_INET

def open_socket(netns, family, kind, protocol=0):
    enter(netns)
    made = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
    return made

def watch(sock, handler):
    handlers[sock.fileno()] = handler
    poller.register(sock.fileno(), select.EPOLLIN | select.EPOLLERR | select.EPOLLHUP)

def forget(sock):
    del handlers[sock.fileno()]
    poller.unregister(sock.fileno())
    sock.close()

# Servers.

def plain(address): return address.removeprefix('::ffff:')

def serve_tcp(netns, name, port):
    listener = open_socket(netns, socket.AF_INET6, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(('::', port))
    listener.listen(4096)
    def ready(_):
        while True:
            try: peer, address = listener.accept()
            except BlockingIOError: return
            except ConnectionError: continue
            try: peer.sendall((name + ' ' + plain(address[0])).encode())
            except ConnectionError: pass
            peer.close()
    watch(listener, ready)

def serve_udp(netns, name, port):
    server = open_socket(netns, socket.AF_INET6, socket.SOCK_DGRAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    # Answers come from the address that was asked, though a route alone makes it the host's own.
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    server.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
    server.bind(('::', port))
    def ready(_):
        while True:
            try: _, ancillary, _, address = server.recvmsg(2048, 64)
            except BlockingIOError: return
            except ConnectionError: continue
            own = [(level, kind, data[:16] + bytes(4)) for level, kind, data in ancillary if kind == socket.IPV6_PKTINFO]
            try: server.sendmsg([(name + ' ' + plain(address[0])).encode()], own, 0, address)
            except OSError: pass
    watch(server, ready)

def serve_sctp(netns, name, ports, family):
    server = open_socket(netns, family, socket.SOCK_RAW, SCTP)
    level, option = (socket.IPPROTO_IP, IP_PKTINFO) if family == socket.AF_INET else (socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO)
    server.setsockopt(level, option, 1)
    if family == socket.AF_INET6: server.setsockopt(level, IPV6_FREEBIND, 1)
    def from_address(data):
        if level == socket.IPPROTO_IP: return [(level, IP_PKTINFO, bytes(4) + data[8:12] + bytes(4))]
        return [(level, socket.IPV6_PKTINFO, data[:16] + bytes(4))]
    def ready(_):
        while True:
            try: data, ancillary, _, address = server.recvmsg(2048, 64)
            except BlockingIOError: return
            parsed = sctp_parse(family, data)
            if parsed is None or parsed[1] not in ports or parsed[2] != INIT: continue
            text = (name + ' ' + address[0]).encode()
            parameters = struct.pack('!HH', STATE_COOKIE, 4 + len(text)) + text
            packet = sctp_packet(parsed[1], parsed[0], parsed[3], INIT_ACK, parameters)
            try: server.sendmsg([packet], from_address(ancillary[0][2]), 0, (address[0], 0))
            except OSError: pass
    watch(server, ready)

def serve(entries):
    for entry in entries:
        netns, name, ports = entry['netns'], entry['name'], entry['ports']
        for port in ports:
            serve_tcp(netns, name, port)
            serve_udp(netns, name, port)
        for family in FAMILIES: serve_sctp(netns, name, ports, family)
    return {}

# Clients.

def errors_of(sock):
    """What ICMP said: the event, and the packet that it answers."""
    while True:
        try: data, ancillary, _, _ = sock.recvmsg(512, 512, socket.MSG_ERRQUEUE)
        except OSError: return
        for level, kind, value in ancillary:
            if (level, kind) not in ((socket.IPPROTO_IP, IP_RECVERR), (socket.IPPROTO_IPV6, IPV6_RECVERR)): continue
            origin, type_, code = value[4], value[5], value[6]
            if origin not in (2, 3): continue
            family, at, size = (socket.AF_INET, 20, 4) if origin == 2 else (socket.AF_INET6, 24, 16)
            yield ['icmp', type_, code, socket.inet_ntop(family, value[at:at + size])], data

def report_errors(sock, family):
    # A socket of IPv6 has its own option.
    if family == socket.AF_INET: sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
    else: sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)

class Run:
    """Everything that is asked at once."""

    def __init__(self, asks):
        self.waiting = collections.deque(asks)
        self.paused = []  # When it goes on, and the entry.
        self.pending = {}  # Identifier: what ends its probe.
        self.events = {ask['id']: [] for ask in asks}
        self.last = time.monotonic()

    def done(self, ask, event):
        self.last = time.monotonic()
        self.pending.pop(ask['id'])()
        events = self.events[ask['id']]
        events.append(event)
        if event[0] != 'answer' or len(events) >= ask['most']: return
        seen, want = {text.split(' ')[0] for _, text, _ in events}, set(ask['want'])
        if seen - want or (len(events) >= ask['least'] and want <= seen): return
        if ask['pauseMs'] > 0 and len(events) % len(ask['sources']) == 0: self.paused.append((self.last + ask['pauseMs'] / 1000, ask))
        else: self.waiting.append(ask)

    def resume(self):
        now = time.monotonic()
        self.waiting.extend(ask for when, ask in self.paused if when <= now)
        self.paused = [(when, ask) for when, ask in self.paused if when > now]

    def begin(self, ask):
        # After a pause nothing has happened for long.
        self.last = time.monotonic()
        source = ask['sources'][len(self.events[ask['id']]) % len(ask['sources'])]
        if ask['protocol'] == 'sctp': associate(self, ask, source)
        else: connect(self, ask, source)

def connect(run, ask, source):
    family = family_of(ask['address'])
    tcp = ask['protocol'] == 'tcp'
    sock = open_socket(ask['netns'], family, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM)
    report_errors(sock, family)
    # Closed by a reset: no port is kept in TIME_WAIT.
    if tcp: sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    run.pending[ask['id']] = lambda: forget(sock)
    def ready(_):
        for event, _ in errors_of(sock): return run.done(ask, event)
        try: text = sock.recv(200).decode()
        except BlockingIOError: return
        except ConnectionRefusedError: return run.done(ask, ['reset'])
        except OSError as error: return run.done(ask, ['error', errno.errorcode[error.errno]])
        run.done(ask, ['answer', text, source] if text else ['error', 'closed'])
    watch(sock, ready)
    try:
        sock.bind((source, 0))
        sock.connect((ask['address'], ask['port']))
        if not tcp: sock.send(b'x')
    except BlockingIOError: pass
    # The node's own rules dropped the datagram; if they refused it, that is in the error queue.
    except PermissionError: pass
    except OSError as error: run.done(ask, ['error', errno.errorcode[error.errno]])

associations = {}  # Source port: run and entry.
raw_clients = {}
next_port = 20_000

def raw_client(netns, family, source):
    key = (netns, source)
    if key in raw_clients: return raw_clients[key]
    sock = open_socket(netns, family, socket.SOCK_RAW, SCTP)
    report_errors(sock, family)
    sock.bind((source, 0))
    def finish(port, event):
        found = associations.get(port)
        if found is not None and found[1]['netns'] == netns: found[0].done(found[1], event)
    def ready(_):
        for event, data in errors_of(sock):
            if len(data) >= 4: finish(struct.unpack('!H', data[:2])[0], event)
        while True:
            try: data = sock.recv(2048)
            except BlockingIOError: return
            except OSError: continue
            parsed = sctp_parse(family, data)
            if parsed is None or parsed[2] != INIT_ACK: continue
            kind, length = struct.unpack('!HH', parsed[4][:4])
            found = associations.get(parsed[1])
            if kind == STATE_COOKIE and found is not None and found[1]['port'] == parsed[0]:
                finish(parsed[1], ['answer', parsed[4][4:length].decode(), source])
    watch(sock, ready)
    raw_clients[key] = sock
    return sock

def associate(run, ask, source):
    global next_port
    # Another port each time: conntrack keeps an association that goes no further for seconds.
    next_port = 20_000 if next_port == 60_000 else next_port + 1
    port = next_port
    sock = raw_client(ask['netns'], family_of(source), source)
    associations[port] = (run, ask)
    run.pending[ask['id']] = lambda: associations.pop(port)
    for _ in range(3):
        try:
            sock.sendto(sctp_packet(port, ask['port'], 0, INIT), (ask['address'], 0))
            return
        # Dropped by the node's own rules, as above.
        except PermissionError: return
        # An error of an earlier packet, which the kernel reports at the next call.
        except ConnectionRefusedError: continue

def dispatch(timeout):
    for fd, events in poller.poll(timeout):
        handler = handlers.get(fd)
        if handler is not None: handler(events)

def ask(asks, quiet):
    run = Run(asks)
    while run.waiting or run.paused or run.pending:
        run.resume()
        for _ in range(min(BURST, len(run.waiting))): run.begin(run.waiting.popleft())
        dispatch(0 if run.waiting else 0.01)
        if run.waiting or run.paused or time.monotonic() - run.last < quiet: continue
        # What has come in the meantime counts.
        dispatch(0)
        if time.monotonic() - run.last < quiet: continue
        for entry in [entry for entry in asks if entry['id'] in run.pending]: run.done(entry, ['silence'])
    return run.events

resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
for line in sys.stdin:
    command = json.loads(line)
    print(json.dumps(serve(command['serve']) if 'serve' in command else ask(command['ask'], command['quietMs'] / 1000)), flush=True)
