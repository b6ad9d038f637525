# Commits COUNT times beside a plane: to a table of its own, and now and then into the plane's. One nft process, fed line by line.
import subprocess, sys, time
count = int(sys.argv[1])
nft = subprocess.Popen(['nft', '-i'], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True, bufsize=1)
for i in range(count):
    nft.stdin.write(f'add element inet theirs s {{ 192.0.{2 + i // 250}.{1 + i % 250} }}\n')
    if i % 100 == 99: nft.stdin.write(f'add element ip netplane vips {{ 198.51.100.{1 + i // 100} }}\n')
    time.sleep(0.002)
nft.stdin.close(); nft.wait()
print('done', flush=True)
