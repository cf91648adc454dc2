#include "state/record.h"

#include "davit_fields.h"
#include "wire/wire.h"

namespace davit {

namespace f = fields::InstanceRecord;

bool decode_record(std::string_view bytes, JoinRecord* out) {
  wire::Reader reader(bytes);
  wire::Field field;
  while (reader.next(&field)) {
    switch (field.number) {
      case f::format: out->format = static_cast<uint32_t>(field.value); break;
      case f::pid: out->pid = static_cast<uint32_t>(field.value); break;
      case f::pid_start_time: out->pid_start_time = field.value; break;
      case f::namespaces: out->namespaces = field.value; break;
      case f::user_namespace: out->user_namespace = field.value; break;
      case f::no_new_privs: out->no_new_privs = field.value; break;
      case f::drop_all_capabilities: out->drop_all_capabilities = field.value; break;
      case f::keep_capabilities: out->keep_capabilities = field.value; break;
      case f::boot_id: out->boot_id = field.bytes; break;
      case f::name: out->name = field.bytes; break;
      case f::image: out->image = field.bytes; break;
      case f::image_name: out->image_name = field.bytes; break;
      case f::bind_list: out->bind_list = field.bytes; break;
      case f::home: out->home = field.bytes; break;
    }
  }
  return !reader.failed() && out->format == kRecordFormat && out->pid > 1 && out->pid_start_time;
}

std::string_view encode_record(std::string_view head, const RecordTail& tail, char* buffer, size_t size) {
  wire::Writer w(buffer, size);
  w.raw(head);
  w.text(f::name, tail.name);
  w.number(f::pid, tail.pid);
  w.number(f::pid_start_time, tail.pid_start_time);
  w.number(f::keeper_pid, tail.keeper_pid);
  w.number(f::keeper_start_time, tail.keeper_start_time);
  w.text(f::boot_id, tail.boot_id);
  w.number(f::started_at_ms, static_cast<uint64_t>(tail.started_at_ms));
  w.number(f::namespaces, tail.namespaces);
  w.text(f::log_out, tail.log_out);
  w.text(f::log_err, tail.log_err);
  if (tail.server_pid) w.number(f::server_pid, tail.server_pid);
  if (tail.program_pid) w.number(f::program_pid, tail.program_pid);
  if (tail.exited) {
    w.number(f::exited, 1);
    w.number(f::exit_status, static_cast<uint64_t>(static_cast<int64_t>(tail.exit_status)));
    w.number(f::exited_at_ms, static_cast<uint64_t>(tail.exited_at_ms));
  }
  return w.overflowed() ? std::string_view{} : w.view();
}

}  // namespace davit
