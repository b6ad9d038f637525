/** What -h prints below the version. */
export const USAGE = `Usage: ipvsadm COMMAND [options]

Manages IP Virtual Server as ipvsadm(8) does. The command comes first.

  -A, --add-service SERVICE        add a virtual service
  -E, --edit-service SERVICE       change one; what is not given is reset
  -D, --delete-service SERVICE     remove one with its real servers
  -C, --clear                      remove all of them
  -a, --add-server SERVICE -r ADDRESS      add a real server
  -e, --edit-server SERVICE -r ADDRESS     change one; what is not given is reset
  -d, --delete-server SERVICE -r ADDRESS   remove one
  -L, -l, --list [SERVICE]         list services, connections, time-outs or daemons
  -S, --save [-n]                  print everything as lines for -R
  -R, --restore                    carry out lines from standard input
  -Z, --zero [SERVICE]             set counters to zero
      --set TCP TCPFIN UDP         set time-outs, in seconds; 0 keeps one
      --start-daemon master|backup start a synchronisation daemon
      --stop-daemon master|backup  stop it
  -h, --help                       this text
  -v, --version

A service:
  -t, -u, --sctp-service HOST[:PORT]   TCP, UDP or SCTP; [ADDRESS]:PORT for IPv6
  -f MARK [-6]                         packets with a mark, of IPv4 or IPv6
Its options:
  -s, --scheduler NAME        rr, wrr, lc, wlc (default), lblc, lblcr, dh, sh, sed, nq, fo, ovf, mh
  -b, --sched-flags FLAGS     sh-fallback, sh-port, mh-fallback, mh-port, flag-1, flag-2, flag-3
  -p, --persistent [SECONDS]  clients come back to their real server (default: 360)
  -M, --netmask MASK          which clients count as one: a mask, or a length for IPv6
      --pe NAME               persistence engine: sip
  -o, --ops                   schedule every datagram by itself
A real server:
  -r, --real-server HOST[:PORT]
  -g (default), -i, -m        direct routing, tunnel, masquerading
  -w, --weight NUMBER         (default: 1)
  -x, -y NUMBER               upper and lower threshold of connections
      --tun-type TYPE         ipip (default), gue, gre
      --tun-port PORT         of gue
      --tun-nocsum, --tun-csum, --tun-remcsum   checksums of gue and gre
Lists:
  -n, --numeric               numbers instead of names
  -c, --connection            connections; with --persistent-conn what persistence engines know
      --timeout, --daemon     time-outs; synchronisation daemons
      --stats, --rate         counters; rates; -X, --exact: in full
      --thresholds, --persistent-conn, --tun-info
      --nosort                in the kernel's order
Daemons:
      --mcast-interface LINK (default: eth0), --syncid 0-255
      --mcast-group ADDRESS, --mcast-port PORT, --mcast-ttl TTL, --sync-maxlen BYTES
`
