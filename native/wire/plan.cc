#include "wire/plan.h"

#include "davit_fields.h"
#include "wire/decoder.h"

namespace davit {

namespace f = fields;

namespace {

void decode(Decoder& d, std::string_view m, Namespaces* out) {
  decode(d, {}, &out->id_map);
  d.each(m, [&](const Field& p) {
    switch (p.number) {
      case f::Namespaces::user: out->user = p.value; break;
      case f::Namespaces::mount: out->mount = p.value; break;
      case f::Namespaces::pid: out->pid = p.value; break;
      case f::Namespaces::ipc: out->ipc = p.value; break;
      case f::Namespaces::uts: out->uts = p.value; break;
      case f::Namespaces::net: out->net = p.value; break;
      case f::Namespaces::id_map: decode(d, p.bytes, &out->id_map); break;
    }
  });
}

void decode(Decoder& d, std::string_view m, Environment* out) {
  d.texts(m, f::Environment::allow, &out->allow);
  d.texts(m, f::Environment::block, &out->block);
  d.texts(m, f::Environment::block_prefixes, &out->block_prefixes);
  d.list(m, f::Environment::set, &out->set, [&](const Field& field, Variable* variable) {
    variable->name = variable->value = variable->from_host = "";
    d.each(field.bytes, [&](const Field& p) {
      switch (p.number) {
        case f::Variable::name: variable->name = d.text(p); break;
        case f::Variable::value: variable->value = d.text(p); break;
        case f::Variable::from_instance_name: variable->from_instance_name = p.value; break;
        case f::Variable::from_host: variable->from_host = d.text(p); break;
        case f::Variable::from_record: variable->from_record = static_cast<unsigned>(p.value); break;
      }
    });
  });
  d.each(m, [&](const Field& p) {
    if (p.number == f::Environment::only_allowed) out->only_allowed = p.value;
  });
}

void decode(Decoder& d, std::string_view m, Program* out) {
  out->shell = "";
  out->working_directory.path = "";
  d.texts(m, f::Program::arguments, &out->arguments);
  List<const char*> raw;
  d.texts(m, f::Program::raw_arguments, &raw);
  if (raw.size) out->arguments = raw;
  d.each(m, [&](const Field& p) {
    switch (p.number) {
      case f::Program::environment: decode(d, p.bytes, &out->environment); break;
      case f::Program::script: out->script = p.bytes; break;
      case f::Program::shell: out->shell = d.text(p); break;
      case f::Program::working_directory: {
        WorkingDirectory& cwd = out->working_directory;
        d.texts(p.bytes, f::WorkingDirectory::fallbacks, &cwd.fallbacks);
        d.each(p.bytes, [&](const Field& q) {
          if (q.number == f::WorkingDirectory::path) cwd.path = d.text(q);
          if (q.number == f::WorkingDirectory::fatal) cwd.fatal = q.value;
          if (q.number == f::WorkingDirectory::of_caller) cwd.of_caller = q.value;
        });
        break;
      }
      case f::Program::set_umask: out->set_umask = p.value; break;
      case f::Program::umask: out->umask = static_cast<uint32_t>(p.value); break;
      case f::Program::init_is_program: out->init_is_program = p.value; break;
      case f::Program::own_group: out->own_group = p.value; break;
    }
  });
}

void decode(Decoder& d, std::string_view m, Instance* out) {
  d.each(m, [&](const Field& p) {
    switch (p.number) {
      case f::Instance::state_dir: out->state_dir = d.text(p); break;
      case f::Instance::name: out->name = d.text(p); break;
      case f::Instance::log_dir: out->log_dir = d.text(p); break;
      case f::Instance::record: out->record = p.bytes; break;
      case f::Instance::wait_seconds: out->wait_seconds = p.as_double(); break;
      case f::Instance::pid_file: out->pid_file = d.text(p); break;
    }
  });
}

void decode(Decoder& d, std::string_view m, TemporaryImage* out) {
  d.each(m, [&](const Field& p) {
    switch (p.number) {
      case f::TemporaryImage::path: out->path = d.text(p); break;
      case f::TemporaryImage::descriptor: out->descriptor = static_cast<int>(p.value); break;
    }
  });
}

void decode(Decoder& d, std::string_view m, Batch* out) {
  d.texts(m, f::Batch::names, &out->names);
  d.each(m, [&](const Field& p) {
    switch (p.number) {
      case f::Batch::jobs: out->jobs = static_cast<uint32_t>(p.value); break;
      case f::Batch::atomic: out->atomic = p.value; break;
    }
  });
}

void decode(Decoder& d, std::string_view m, Stats* out) {
  d.each(m, [&](const Field& p) {
    switch (p.number) {
      case f::Stats::name: out->name = d.text(p); break;
      case f::Stats::pid: out->pid = static_cast<uint32_t>(p.value); break;
      case f::Stats::pid_start_time: out->pid_start_time = p.value; break;
      case f::Stats::keeper_pid: out->keeper_pid = static_cast<uint32_t>(p.value); break;
      case f::Stats::foreign: out->foreign = p.value; break;
      case f::Stats::uid: out->uid = static_cast<uint32_t>(p.value); break;
      case f::Stats::form: out->form = static_cast<StatsForm>(p.value); break;
    }
  });
}

void decode(Decoder& d, std::string_view m, Output* out) {
  d.each(m, [&](const Field& p) {
    switch (p.number) {
      case f::Output::message_level: out->message_level = static_cast<int32_t>(p.value); break;
      case f::Output::color: out->color = p.value; break;
      case f::Output::report_fd: out->report_fd = static_cast<int32_t>(p.value); break;
      case f::Output::image: out->image = d.text(p); break;
    }
  });
}

}  // namespace

const char* decode_plan(std::string_view message, Arena& arena, LaunchPlan* plan) {
  Decoder d{arena};
  decode(d, {}, &plan->namespaces);
  decode(d, {}, &plan->program);
  plan->instance.state_dir = plan->instance.name = plan->instance.log_dir = plan->instance.pid_file = "";
  plan->join.state_dir = plan->join.name = plan->output.image = plan->temporary_image.path = plan->stats.name = "";
  d.list(message, f::LaunchPlan::steps, &plan->steps,
         [&](const Field& field, Step* step) { decode(d, field.bytes, step); });
  d.each(message, [&](const Field& p) {
    switch (p.number) {
      case f::LaunchPlan::format: plan->format = static_cast<uint32_t>(p.value); break;
      case f::LaunchPlan::davit_version: plan->davit_version = d.text(p); break;
      case f::LaunchPlan::mode: plan->mode = static_cast<Mode>(p.value); break;
      case f::LaunchPlan::warm_ms: plan->warm_ms = p.value; break;
      case f::LaunchPlan::namespaces: decode(d, p.bytes, &plan->namespaces); break;
      case f::LaunchPlan::program: decode(d, p.bytes, &plan->program); break;
      case f::LaunchPlan::instance: decode(d, p.bytes, &plan->instance); break;
      case f::LaunchPlan::output: decode(d, p.bytes, &plan->output); break;
      case f::LaunchPlan::temporary_image: decode(d, p.bytes, &plan->temporary_image); break;
      case f::LaunchPlan::stats: decode(d, p.bytes, &plan->stats); break;
      case f::LaunchPlan::batch: decode(d, p.bytes, &plan->batch); break;
      case f::LaunchPlan::join:
        d.each(p.bytes, [&](const Field& q) {
          if (q.number == f::Join::state_dir) plan->join.state_dir = d.text(q);
          if (q.number == f::Join::name) plan->join.name = d.text(q);
        });
        break;
    }
  });
  if (d.error) return d.error;
  if (plan->format != kPlanFormat) return "the plan has another format than this launcher: rebuild davit";
  if (static_cast<uint32_t>(plan->mode) > static_cast<uint32_t>(Mode::Stats)) return "the plan has an unknown mode";
  return nullptr;
}

}  // namespace davit
