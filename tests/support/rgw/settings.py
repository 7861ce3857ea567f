"""What a Ceph of one monitor, one OSD in memory and one gateway must be told, on loopback.

Without authentication between its parts, the gateway must be told to speak in plain text to the monitor, or it hunts
for one for five minutes. Deleted data goes at once, and a bucket's quota is exact at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MEMORY = 4 * 1024**3
LIBRARY = Path("/usr/lib/x86_64-linux-gnu")
SMALLEST_PART = 64 * 1024


@dataclass(frozen=True)
class Ports:
    """Where its parts listen, on 127.0.0.1."""

    monitor: int
    monitor_v1: int
    osd: int
    gateway: int
    tls: int


def configuration(root: Path, ports: Ports, fsid: str, certificate: Path) -> str:
    """The text of ceph.conf. `certificate`: a file of certificate and key."""
    return f"""\
[global]
fsid = {fsid}
mon_initial_members = a
mon_host = [v2:127.0.0.1:{ports.monitor},v1:127.0.0.1:{ports.monitor_v1}]
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_ipv6 = false
ms_bind_port_min = {ports.osd}
ms_bind_port_max = {ports.osd + 40}
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
ms_cluster_mode = crc
ms_service_mode = crc
ms_client_mode = crc
ms_mon_cluster_mode = crc
ms_mon_service_mode = crc
ms_mon_client_mode = crc
keyring = {root}/keyring
run_dir = {root}
log_file = {root}/$name.log
admin_socket = {root}/$name.$pid.asok
pid_file =
crash_dir = {root}/crash
mon_cluster_log_file = {root}/cluster.log
mon_cluster_log_to_syslog = false
log_flush_on_exit = false
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_pool_default_pgp_num = 8
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
rgw_rados_pool_pg_num_min = 8
debug_ms = 0/0
debug_osd = 0/0
debug_rgw = 1/1
debug_mon = 0/0
debug_paxos = 0/0
debug_objecter = 0/0
[mon]
mon_data = {root}/mon
mon_data_avail_warn = 1
mon_data_avail_crit = 0
mon_warn_on_pool_no_redundancy = false
mon_warn_on_insecure_global_id_reclaim = false
mon_warn_on_insecure_global_id_reclaim_allowed = false
[osd]
osd_data = {root}/osd
osd_objectstore = memstore
osd_class_load_list = *
osd_class_default_list = *
memstore_device_bytes = {MEMORY}
[client.rgw]
ms_mon_client_mode = crc
rgw_data = {root}/rgw
rgw_frontends = beast endpoint=127.0.0.1:{ports.gateway} ssl_endpoint=127.0.0.1:{ports.tls} \
ssl_certificate={certificate} ssl_private_key={certificate}
rgw_dns_name = 127.0.0.1
rgw_enable_apis = s3, swift, swift_auth, admin
rgw_thread_pool_size = 64
rgw_enable_usage_log = false
rgw_gc_obj_min_wait = 5
rgw_gc_processor_period = 10
rgw_gc_processor_max_time = 10
rgw_bucket_quota_ttl = 0
rgw_user_quota_bucket_sync_interval = 1
rgw_multipart_min_part_size = {SMALLEST_PART}
rgw_swift_url = http://127.0.0.1:{ports.gateway}
rgw_swift_url_prefix = swift
rgw_swift_auth_entry = auth
rgw_swift_account_in_url = false
"""
