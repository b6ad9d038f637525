# Listens at an address, asks a service over and over until it answers, and prints when that was: nanoseconds of CLOCK_MONOTONIC.
# Usage: first-answer.py LISTEN_ADDRESS LISTEN_PORT SERVICE_ADDRESS SERVICE_PORT
import select, socket, sys, time

# The longest that a try may take, milliseconds: packets that nobody leads anywhere are not answered.
TRY_MS = 1

listen_address, listen_port, address, port = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
server = socket.socket()
server.bind((listen_address, listen_port))
server.listen(1)
print('ready', flush=True)
while True:
    client = socket.socket()
    client.setblocking(False)
    client.connect_ex((address, port))
    poll = select.poll()
    poll.register(client, select.POLLOUT)
    if poll.poll(TRY_MS) and client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
        print(time.monotonic_ns(), flush=True)
        break
    client.close()
