package cli

// bringUp is what an administrator says to a NIC that is down.
const bringUp = "ip link set %s up"
