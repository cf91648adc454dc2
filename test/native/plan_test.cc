// Plan bytes in, structures out; damaged bytes in, a refusal out.
#include <random>
#include <string>
#include <vector>

#include "check.h"
#include "davit_fields.h"
#include "wire/plan.h"
#include "wire/wire.h"

namespace f = davit::fields;
using davit::Arena;
using davit::LaunchPlan;

namespace {

struct Message {
  std::string bytes;
  Message& number(unsigned field, uint64_t value) {
    varint(field << 3 | davit::wire::kVarint);
    varint(value);
    return *this;
  }
  Message& text(unsigned field, std::string_view value) {
    varint(field << 3 | davit::wire::kBytes);
    varint(value.size());
    bytes += value;
    return *this;
  }
  Message& message(unsigned field, const Message& value) { return text(field, value.bytes); }
  void varint(uint64_t value) {
    do {
      bytes += static_cast<char>((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
      value >>= 7;
    } while (value);
  }
};

Message sample() {
  Message range =
      Message().number(f::IdRange::inside, 0).number(f::IdRange::outside, 4294967294u).number(f::IdRange::count, 1);
  Message map = Message()
                    .message(f::IdMap::uid, range)
                    .message(f::IdMap::uid, range)
                    .text(f::IdMap::uid_helper, "/usr/bin/newuidmap");
  Message namespaces =
      Message().number(f::Namespaces::user, 1).number(f::Namespaces::pid, 1).message(f::Namespaces::id_map, map);
  Message bind = Message().text(f::Bind::source, "/data").text(f::Bind::target, "/mnt").number(f::Bind::read_only, 1);
  Message fuse = Message().text(f::MountFuse::server_argv, "/usr/bin/server").text(f::MountFuse::server_argv, "-f");
  Message passwd = Message().number(f::PasswdEdit::uid, 1000).text(f::PasswdEdit::name, "user");
  Message file =
      Message().text(f::File::target, "/etc/passwd").message(f::File::passwd, passwd).number(f::File::mode, 0644);
  Message variable = Message().text(f::Variable::name, "HOME").text(f::Variable::value, "/home/user");
  Message environment = Message().message(f::Environment::set, variable).text(f::Environment::block_prefixes, "X_");
  Message program = Message().message(f::Program::environment, environment).text(f::Program::script, "exec \"$@\"");
  program.text(f::Program::arguments, "echo").text(f::Program::arguments, "");
  Message instance = Message().text(f::Instance::name, "web1").text(f::Instance::record, std::string("\0\1", 2));
  Message plan = Message()
                     .number(f::LaunchPlan::format, 1)
                     .number(f::LaunchPlan::mode, 2)
                     .message(f::LaunchPlan::namespaces, namespaces);
  plan.message(f::LaunchPlan::steps, Message().message(f::Step::mount_fuse, fuse));
  plan.message(f::LaunchPlan::steps, Message().message(f::Step::bind, bind));
  plan.message(f::LaunchPlan::steps, Message().message(f::Step::file, file));
  plan.message(f::LaunchPlan::steps, Message().message(f::Step::pivot_root, Message()));
  plan.message(f::LaunchPlan::program, program).message(f::LaunchPlan::instance, instance);
  Message batch = Message().text(f::Batch::names, "a").text(f::Batch::names, "b");
  plan.message(f::LaunchPlan::batch, batch.number(f::Batch::jobs, 3).number(f::Batch::atomic, 1));
  return plan;
}

const char* decode(std::string_view bytes, LaunchPlan* plan, std::vector<char>& memory) {
  memory.assign(1 << 20, 0);
  Arena arena(memory.data(), memory.size());
  return davit::decode_plan(bytes, arena, plan);
}

void decodes_every_kind_of_field() {
  std::vector<char> memory;
  LaunchPlan plan;
  std::string bytes = sample().bytes;
  CHECK(decode(bytes, &plan, memory) == nullptr);
  CHECK(plan.mode == davit::Mode::Instance);
  CHECK(plan.namespaces.user && plan.namespaces.pid && !plan.namespaces.net);
  CHECK(plan.namespaces.id_map.uid.size == 2 && plan.namespaces.id_map.uid.data[1].outside == 4294967294u);
  CHECK(!strcmp(plan.namespaces.id_map.uid_helper, "/usr/bin/newuidmap") && !*plan.namespaces.id_map.gid_helper);
  CHECK(plan.steps.size == 4);
  CHECK(plan.steps.data[0].as<davit::MountFuse>().server_argv.size == 2);
  CHECK(!strcmp(plan.steps.data[1].as<davit::Bind>().target, "/mnt") && plan.steps.data[1].as<davit::Bind>().read_only);
  const davit::File& file = plan.steps.data[2].as<davit::File>();
  CHECK(file.content == davit::File::Content::Passwd && file.passwd.uid == 1000 && !strcmp(file.passwd.name, "user"));
  CHECK(!strcmp(davit::step_name(plan.steps.data[3].kind), "pivotRoot"));
  CHECK(plan.program.script == "exec \"$@\"" && plan.program.arguments.size == 2 && !*plan.program.arguments.data[1]);
  CHECK(plan.program.environment.set.size == 1 && !strcmp(plan.program.environment.block_prefixes.data[0], "X_"));
  CHECK(plan.batch.names.size == 2 && !strcmp(plan.batch.names.data[1], "b") && plan.batch.jobs == 3);
  CHECK(plan.batch.atomic);
  CHECK(!strcmp(plan.instance.name, "web1") && plan.instance.record == std::string_view("\0\1", 2));
}

void refuses_what_it_cannot_execute() {
  std::vector<char> memory;
  LaunchPlan plan;
  CHECK(decode(Message().number(f::LaunchPlan::format, 2).bytes, &plan, memory) != nullptr);
  plan = {};
  CHECK(decode("", &plan, memory) != nullptr);  // format 0
  Message unknown = sample().message(f::LaunchPlan::steps, Message().message(500, Message()));
  plan = {};
  CHECK(decode(unknown.bytes, &plan, memory) != nullptr);
  Message empty = sample().message(f::LaunchPlan::steps, Message());
  plan = {};
  CHECK(decode(empty.bytes, &plan, memory) != nullptr);
  Message nul = sample();
  nul.message(f::LaunchPlan::output, Message().text(f::Output::image, std::string_view("a\0b", 3)));
  plan = {};
  CHECK(decode(nul.bytes, &plan, memory) != nullptr);
  Message mode = sample().number(f::LaunchPlan::mode, 9);
  plan = {};
  CHECK(decode(mode.bytes, &plan, memory) != nullptr);
}

void refuses_when_the_arena_is_full() {
  std::string bytes = sample().bytes;
  for (size_t size = 0; size < 1024; size += 8) {
    std::vector<char> memory(size);
    Arena arena(memory.data(), memory.size());
    LaunchPlan plan;
    if (davit::decode_plan(bytes, arena, &plan) == nullptr) return CHECK(size > 200);
  }
  CHECK(false);
}

// Damaged in thousands of ways: whatever comes out, no memory is touched that is not ours (ASan watches).
void survives_mutations() {
  std::mt19937 random(20261122);
  std::string original = sample().bytes;
  int refused = 0;
  std::vector<char> memory(1 << 16);
  for (int i = 0; i < 20000; i++) {
    std::string bytes = original;
    for (unsigned n = random() % 4 + 1; n; n--) {
      size_t at = random() % bytes.size();
      switch (random() % 3) {
        case 0: bytes[at] = static_cast<char>(random()); break;
        case 1: bytes.resize(at + 1); break;
        default: bytes.insert(at, 1, static_cast<char>(random())); break;
      }
    }
    LaunchPlan plan;
    memory.assign(memory.size(), 0);  // as fresh pages are
    std::vector<char> exact(bytes.begin(), bytes.end());
    Arena arena(memory.data(), memory.size());
    if (davit::decode_plan({exact.data(), exact.size()}, arena, &plan)) refused++;
  }
  CHECK(refused > 1000);
}

void varints_have_one_meaning() {
  davit::wire::Field field;
  davit::wire::Reader longest(std::string_view("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11));
  CHECK(longest.next(&field) && field.value == UINT64_MAX);
  davit::wire::Reader over(std::string_view("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11));
  CHECK(!over.next(&field) && over.failed());
  davit::wire::Reader cut(
      std::string_view("\x0a\x05"
                       "ab",
                       4));
  CHECK(!cut.next(&field) && cut.failed());
}

}  // namespace

int main() {
  decodes_every_kind_of_field();
  refuses_what_it_cannot_execute();
  refuses_when_the_arena_is_full();
  survives_mutations();
  varints_have_one_meaning();
  return check::finish();
}
