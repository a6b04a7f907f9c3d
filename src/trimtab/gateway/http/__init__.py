"""HTTP/1.1 on the client's side (RFC 9110, RFC 9112): one connection's requests in, its answers out."""
