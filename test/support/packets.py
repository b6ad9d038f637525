# Single packets of protocols for which there are no sockets, or whose sockets tell too little.
#
#   packets.py send {PROTOCOL SOURCE DESTINATION FIRST SECOND} …  a packet each; FIRST and SECOND are ports, the SECOND a key (gre), the FIRST an identifier (icmp)
#   packets.py ftp SOURCE DESTINATION                             a control connection to port 21 that announces a data connection; stays open until killed
#
# PROTOCOL is icmp, icmpv6, gre, udp, udplite, sctp, or a number.
import socket, struct, sys, threading

NUMBERS = {'icmp': 1, 'udp': 17, 'gre': 47, 'icmpv6': 58, 'sctp': 132, 'udplite': 136}

def checksum(data):
    data += bytes(len(data) % 2)
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff

def pseudo(family, source, destination, protocol, length):
    addresses = socket.inet_pton(family, source) + socket.inet_pton(family, destination)
    return addresses + (struct.pack('!BBH', 0, protocol, length) if family == socket.AF_INET else struct.pack('!IHBB', length, 0, 0, protocol))

def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8): crc = (crc >> 1) ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff

def echo(kind, identifier):
    head = struct.pack('!BBHHH', kind, 0, 0, identifier, 1)
    return head[:2] + struct.pack('!H', checksum(head)) + head[4:]

def datagram(family, source, destination, number, first, second):
    # UDP-Lite has the length that the checksum covers (0: all) where UDP has its length.
    head = struct.pack('!HHHH', first, second, 12 if number == 17 else 0, 0) + b'data'
    sum = checksum(pseudo(family, source, destination, number, 12) + head)
    return head[:6] + struct.pack('!H', sum or 0xffff) + head[8:]

def association(first, second):
    head = struct.pack('!HHI', first, second, 0)
    chunk = struct.pack('!BBHIIHHI', 1, 0, 20, 1, 65536, 1, 1, 1)
    return head + struct.pack('<I', crc32c(head + bytes(4) + chunk)) + chunk

def content(name, family, source, destination, number, first, second):
    if name == 'icmp': return echo(8, first)
    # The kernel writes the checksum of ICMPv6.
    if name == 'icmpv6': return struct.pack('!BBHHH', 128, 0, 0, first, 1)
    # Version 1, with a key (RFC 2637): connection tracking reads the call id out of it.
    if name == 'gre': return struct.pack('!HHHHI', 0x2001, 0x880b, 4, second, 0) + b'data'
    if name in ('udp', 'udplite'): return datagram(family, source, destination, number, first, second)
    if name == 'sctp': return association(first, second)
    return b'0123456789'

def send(name, source, destination, first=0, second=0):
    family = socket.AF_INET6 if ':' in destination else socket.AF_INET
    number = NUMBERS[name] if name in NUMBERS else int(name)
    with socket.socket(family, socket.SOCK_RAW, number) as s:
        s.bind((source, 0))
        s.sendto(content(name, family, source, destination, number, first, second), (destination, 0))

def ftp(source, destination):
    with socket.create_server((destination, 21)) as server:
        with socket.create_connection((destination, 21), source_address=(source, 0)) as client:
            peer, _ = server.accept()
            # The helper looks for commands at the beginnings of lines, and knows none before the first line has ended.
            for line in ('USER x', 'PORT ' + source.replace('.', ',') + ',10,20'):
                client.sendall((line + '\r\n').encode())
                peer.recv(100)
            print('ready', flush=True)
            threading.Event().wait()

if sys.argv[1] == 'ftp': ftp(sys.argv[2], sys.argv[3])
else:
    for at in range(2, len(sys.argv), 5): send(*sys.argv[at:at + 3], *map(int, sys.argv[at + 3:at + 5]))
