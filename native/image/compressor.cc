#include "image/compressor.h"

#include <sqfs/error.h>
#include <stdlib.h>

#include "image/failure.h"
#include "image/lzo1x.h"

namespace davit::image {
namespace {

// LZO in the shape libsquashfs wants: extraction alone.
sqfs_s32 lzo_block(sqfs_compressor_t*, const sqfs_u8* in, sqfs_u32 size, sqfs_u8* out, sqfs_u32 out_size) {
  ptrdiff_t written = lzo1x_decode(in, size, out, out_size);
  return written < 0 ? SQFS_ERROR_COMPRESSOR : static_cast<sqfs_s32>(written);
}
void lzo_configuration(const sqfs_compressor_t*, sqfs_compressor_config_t* config) {
  *config = {};
  config->id = SQFS_COMP_LZO;
}
int lzo_write_options(sqfs_compressor_t*, sqfs_file_t*) { return SQFS_ERROR_UNSUPPORTED; }
int lzo_read_options(sqfs_compressor_t*, sqfs_file_t*) { return 0; }  // they matter to the writer alone
void lzo_destroy(sqfs_object_t* object) { free(object); }

int create_lzo(sqfs_compressor_t** out);

sqfs_object_t* lzo_copy(const sqfs_object_t*) {
  sqfs_compressor_t* copy = nullptr;
  return create_lzo(&copy) == 0 ? &copy->base : nullptr;
}

int create_lzo(sqfs_compressor_t** out) {
  auto* lzo = static_cast<sqfs_compressor_t*>(calloc(1, sizeof(sqfs_compressor_t)));
  if (!lzo) return SQFS_ERROR_ALLOC;
  lzo->base.destroy = lzo_destroy;
  lzo->base.copy = lzo_copy;
  lzo->get_configuration = lzo_configuration;
  lzo->write_options = lzo_write_options;
  lzo->read_options = lzo_read_options;
  lzo->do_block = lzo_block;
  *out = lzo;
  return 0;
}

}  // namespace

int create_decompressor(uint16_t id, uint32_t block_size, sqfs_compressor_t** out) {
  if (id == SQFS_COMP_LZO) return create_lzo(out);
  sqfs_compressor_config_t config;
  int code =
      sqfs_compressor_config_init(&config, static_cast<SQFS_COMPRESSOR>(id), block_size, SQFS_COMP_FLAG_UNCOMPRESS);
  return code != 0 ? code : sqfs_compressor_create(&config, out);
}

int create_compressor(uint16_t id, uint32_t block_size, unsigned level, sqfs_compressor_t** out) {
  sqfs_compressor_config_t config;
  int code = sqfs_compressor_config_init(&config, static_cast<SQFS_COMPRESSOR>(id), block_size, 0);
  if (code != 0) return code;
  if (level != 0) config.level = level;
  return sqfs_compressor_create(&config, out);
}

const char* sqfs_error_text(int code) {
  switch (code) {
    case SQFS_ERROR_ALLOC: return "out of memory";
    case SQFS_ERROR_IO: return "input/output error";
    case SQFS_ERROR_COMPRESSOR: return "a block does not decompress: the image is damaged";
    case SQFS_ERROR_CORRUPTED: return "a table holds nonsense: the image is damaged";
    case SQFS_ERROR_UNSUPPORTED: return "a feature that is not supported";
    case SQFS_ERROR_OVERFLOW: return "a size beyond all measure: the image is damaged";
    case SQFS_ERROR_OUT_OF_BOUNDS: return "a reference beyond the end: the image is damaged or incomplete";
    case SQFS_ERROR_NOT_DIR: return "not a directory";
    case SQFS_ERROR_NO_ENTRY: return "no such entry";
    case SQFS_ERROR_LINK_LOOP: return "a directory that contains itself: the image is damaged";
    case SQFS_ERROR_NOT_FILE: return "not a regular file";
    default: return "unexpected error in libsquashfs";
  }
}

}  // namespace davit::image
