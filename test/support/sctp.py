# SCTP without the kernel's own (CONFIG_IP_SCTP): the first two packets of an association over a raw socket, which is all that NAT decides upon. RFC 9260.
#
#   sctp.py serve NAME PORT                    answers every INIT with INIT ACK; its cookie is `NAME peer-address`
#   sctp.py ask ADDRESS PORT COUNT             begins COUNT associations from new ports; prints a cookie a line, or the name of the error
#
# As a module it has `packet` and `parse`, and what they need.
#
# Packets with a wrong checksum (CRC32c) are passed over, as a kernel would: an answer proves that NAT put it right.
import os, socket, struct, sys

IPPROTO_SCTP = 132
INIT, INIT_ACK = 1, 2
STATE_COOKIE = 7

def crc_table():
    table = []
    for value in range(256):
        for _ in range(8): value = (value >> 1) ^ (0x82f63b78 if value & 1 else 0)
        table.append(value)
    return table

TABLE = crc_table()

def crc32c(data):
    crc = 0xffffffff
    for byte in data: crc = (crc >> 8) ^ TABLE[(crc ^ byte) & 0xff]
    return crc ^ 0xffffffff

def packet(source, destination, tag, chunk, parameters=b''):
    body = struct.pack('!IIHHI', int.from_bytes(os.urandom(4), 'big') | 1, 65536, 1, 1, 1) + parameters
    value = struct.pack('!BBH', chunk, 0, 4 + len(body)) + body
    value += bytes(-len(value) % 4)
    head = struct.pack('!HHI', source, destination, tag)
    # The checksum is the only field in little-endian order.
    return head + struct.pack('<I', crc32c(head + bytes(4) + value)) + value

def parse(family, data):
    """Ports, kind of the first chunk, its initiate tag and its parameters; None for what is none or is damaged."""
    if family == socket.AF_INET: data = data[(data[0] & 15) * 4:]
    if len(data) < 32 or struct.unpack('<I', data[8:12])[0] != crc32c(data[:8] + bytes(4) + data[12:]): return None
    source, destination = struct.unpack('!HH', data[:4])
    length = struct.unpack('!H', data[14:16])[0]
    return source, destination, data[12], struct.unpack('!I', data[16:20])[0], data[32:12 + length]

def cookie(parameters):
    kind, length = struct.unpack('!HH', parameters[:4])
    return parameters[4:length].decode() if kind == STATE_COOKIE else 'no cookie'

def serve(name, port):
    import selectors
    selector = selectors.DefaultSelector()
    for family in (socket.AF_INET, socket.AF_INET6):
        selector.register(socket.socket(family, socket.SOCK_RAW, IPPROTO_SCTP), selectors.EVENT_READ)
    print('ready', flush=True)
    while True:
        for key, _ in selector.select():
            data, peer = key.fileobj.recvfrom(65535)
            parsed = parse(key.fileobj.family, data)
            if parsed is None or parsed[1] != port or parsed[2] != INIT: continue
            text = f'{name} {peer[0]}'.encode()
            parameters = struct.pack('!HH', STATE_COOKIE, 4 + len(text)) + text
            key.fileobj.sendto(packet(port, parsed[0], parsed[3], INIT_ACK, parameters), (peer[0], 0))

def associate(address, port, source):
    family = socket.AF_INET6 if ':' in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_RAW, IPPROTO_SCTP) as s:
        s.settimeout(5)
        # Connected: only packets of this peer come in, and a refusal by ICMP is an error of the socket.
        s.connect((address, 0))
        s.send(packet(source, port, 0, INIT))
        while True:
            parsed = parse(family, s.recv(65535))
            if parsed is not None and parsed[:3] == (port, source, INIT_ACK): return cookie(parsed[4])

def main():
    if sys.argv[1] == 'serve': serve(sys.argv[2], int(sys.argv[3]))
    else:
        # Another port each time: conntrack keeps an association that goes no further for seconds, and its port would lead to the same endpoint again.
        first = 1024 + os.getpid() * 331 % 50000
        for source in range(first, first + int(sys.argv[4])):
            try: print(associate(sys.argv[2], int(sys.argv[3]), source))
            except OSError as error: print(type(error).__name__)

if __name__ == '__main__': main()
