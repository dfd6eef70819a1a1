// The work by which GPUs are measured, in OpenCL C 1.2: docs/capability.md, "The work, to the bit".
// Each kernel does a slice of the work, because drivers end what keeps a display waiting for seconds.

#define CHAINS 32
#define WINDOW_WORDS 65536u
#define TURN 23ul

#define STEP(x, i) \
  x ^= x >> 12; \
  x ^= x << 25; \
  x ^= x >> 27; \
  x = x * 0x2545F4914F6CDD1Dul + (i)

// `number` is signed: lane, chunk, chain, or -1.
static ulong start(ulong seed, int number) {
  ulong z = seed + (ulong)(number + 2) * 0x9E3779B97F4A7C15ul;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ul;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBul;
  return z ^ (z >> 31);
}

// Begins a link of each lane. Lane k here is lane first + k * stride of the work. Of a lane's
// digests, `length` in a row, `link` is made next. The chains are kept in `state`.
kernel void begin_link(
    global const ulong *digests, global ulong *state, ulong seed, int first, int stride, int lanes, int length, int link) {
  int lane = (int)get_global_id(0);
  if (lane >= lanes) {
    return;
  }
  ulong from = link == 0 ? start(seed, first + lane * stride) : digests[(size_t)lane * length + link - 1];
  for (int c = 0; c < CHAINS; c++) {
    state[(size_t)lane * CHAINS + c] = start(from, c);
  }
}

// Steps from .. to - 1 of all chains. As vectors, so that they are registers everywhere, and vectors
// where there are such.
kernel void run_chains(global ulong16 *state, int lanes, uint from, uint to) {
  int lane = (int)get_global_id(0);
  if (lane >= lanes) {
    return;
  }
  ulong16 a = state[2 * lane];
  ulong16 b = state[2 * lane + 1];
  for (uint i = from; i < to; i++) {
    ulong16 turn = (ulong16)((ulong)i);
    STEP(a, turn);
    STEP(b, turn);
  }
  state[2 * lane] = a;
  state[2 * lane + 1] = b;
}

// Ends a link: its digest.
kernel void end_link(global ulong *digests, global const ulong *state, int lanes, int length, int link) {
  int lane = (int)get_global_id(0);
  if (lane >= lanes) {
    return;
  }
  ulong d = 0;
  for (int c = 0; c < CHAINS; c++) {
    d ^= state[(size_t)lane * CHAINS + c];
    STEP(d, (ulong)c);
  }
  digests[(size_t)lane * length + link] = d;
}

// Words from .. to - 1 of each chunk. Chunk k here is chunk first + k * stride of the work.
kernel void fill(
    global ulong *words, ulong seed, int first, int stride, int chunks, uint chunk_words, uint from, uint to) {
  int chunk = (int)get_global_id(0);
  if (chunk >= chunks) {
    return;
  }
  global ulong *own = words + (size_t)chunk * chunk_words;
  ulong x = from == 0 ? start(seed, first + chunk * stride) : own[from - 1];
  for (uint i = from; i < to; i++) {
    if (i > 0) {
      ulong back = ((x >> 32) * min(i, WINDOW_WORDS)) >> 32;
      x += rotate(own[i - 1 - (uint)back], TURN);
    }
    STEP(x, (ulong)i);
    own[i] = x;
  }
}
