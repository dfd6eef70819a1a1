package dev.perseid.sandbox;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.IntBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntSupplier;
import org.lwjgl.PointerBuffer;
import org.lwjgl.opencl.CL10;
import org.lwjgl.opencl.CL11;
import org.lwjgl.opencl.CL12;
import org.lwjgl.system.MemoryStack;
import org.lwjgl.system.MemoryUtil;

/// One device that is in use. All of its calls come from one thread at a time. What it holds goes
/// with the process.
final class GpuDevice {
  private static final int CHAINS = 32;
  private static final int CHAIN_STEPS = 1 << 18;
  private static final int TRIED_WORDS = 64;

  /// Held while one more buffer is taken from the machine's own memory, which is asked before.
  private static final Object TAKING = new Object();

  private final FreeHostMemory hostMemory = new FreeHostMemory(Path.of("/"));
  private final OpenCl.Device device;
  private final long memoryBytes;
  private final long context;
  private final long queue;
  private final Kernel beginLink;
  private final Kernel runChains;
  private final Kernel endLink;
  private final Kernel fill;
  private final List<Chunks> held = new ArrayList<>();
  private int chunkWords;

  /// Chunks in one buffer. Each has a queue, so that a device can fill several at the same time.
  private record Chunks(long buffer, long queue, int first, int count) {}

  /// @param group work items of one group: as many as the device does side by side
  private record Kernel(long id, String name, int group) {}

  /// @param memoryBytes how much of its memory is used at most
  GpuDevice(OpenCl.Device device, long memoryBytes) throws OpenCl.Refusal {
    this.device = device;
    this.memoryBytes = Math.min(memoryBytes, device.gpu().memoryBytes());
    try (MemoryStack stack = MemoryStack.stackPush()) {
      IntBuffer code = stack.mallocInt(1);
      PointerBuffer platform = stack.mallocPointer(3);
      platform.put(CL10.CL_CONTEXT_PLATFORM).put(device.platform()).put(0).flip();
      context = CL10.clCreateContext(platform, device.id(), null, 0, code);
      check(code.get(0), "clCreateContext");
    }
    queue = newQueue();
    long program = build();
    beginLink = kernel(program, "begin_link");
    runChains = kernel(program, "run_chains");
    endLink = kernel(program, "end_link");
    fill = kernel(program, "fill");
  }

  private void check(int code, String what) throws OpenCl.Refusal {
    OpenCl.check(code, device.gpu().name() + ": " + what);
  }

  private long newQueue() throws OpenCl.Refusal {
    try (MemoryStack stack = MemoryStack.stackPush()) {
      IntBuffer code = stack.mallocInt(1);
      long made = CL10.clCreateCommandQueue(context, device.id(), 0, code);
      check(code.get(0), "clCreateCommandQueue");
      return made;
    }
  }

  private long build() throws OpenCl.Refusal {
    try (MemoryStack stack = MemoryStack.stackPush()) {
      IntBuffer code = stack.mallocInt(1);
      long program = CL10.clCreateProgramWithSource(context, source(), code);
      check(code.get(0), "clCreateProgramWithSource");
      int built = CL10.clBuildProgram(program, device.id(), "-cl-std=CL1.2", null, 0);
      if (built != CL10.CL_SUCCESS) {
        System.err.println(log(program));
      }
      check(built, "clBuildProgram");
      return program;
    }
  }

  private String log(long program) {
    ByteBuffer text = MemoryUtil.memCalloc(1 << 16);
    try {
      int what = CL10.CL_PROGRAM_BUILD_LOG;
      return CL10.clGetProgramBuildInfo(program, device.id(), what, text, null) == CL10.CL_SUCCESS
          ? MemoryUtil.memUTF8(MemoryUtil.memAddress(text))
          : "";
    } finally {
      MemoryUtil.memFree(text);
    }
  }

  private static String source() {
    try (InputStream in = GpuDevice.class.getResourceAsStream("exertion.cl")) {
      if (in == null) {
        throw new IllegalStateException("exertion.cl is not on the class path");
      }
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private Kernel kernel(long program, String name) throws OpenCl.Refusal {
    try (MemoryStack stack = MemoryStack.stackPush()) {
      IntBuffer code = stack.mallocInt(1);
      long id = CL10.clCreateKernel(program, name, code);
      check(code.get(0), "clCreateKernel of " + name);
      if (device.processor()) {
        return new Kernel(id, name, 1); // each goes to any core
      }
      PointerBuffer size = stack.mallocPointer(1);
      int what = CL11.CL_KERNEL_PREFERRED_WORK_GROUP_SIZE_MULTIPLE;
      check(
          CL10.clGetKernelWorkGroupInfo(id, device.id(), what, size, null),
          "clGetKernelWorkGroupInfo of " + name);
      return new Kernel(id, name, (int) Math.max(1, size.get(0)));
    }
  }

  /// Starts a kernel for so many work items, or a few more: kernels ignore those.
  private void launch(long on, Kernel kernel, int items) throws OpenCl.Refusal {
    try (MemoryStack stack = MemoryStack.stackPush()) {
      long groups = Math.ceilDiv(items, kernel.group());
      check(
          CL10.clEnqueueNDRangeKernel(
              on,
              kernel.id(),
              1,
              null,
              stack.pointers(groups * kernel.group()),
              stack.pointers(kernel.group()),
              null,
              null),
          "starting " + kernel.name());
    }
  }

  /// How much of its work each of so many items does in one start of a kernel.
  static int slice(int most, int items) {
    return Math.clamp((long) most * Limits.GPU_SLICE_ITEMS / Math.max(1, items), 1, most);
  }

  private long newBuffer(long bytes) throws OpenCl.Refusal {
    try (MemoryStack stack = MemoryStack.stackPush()) {
      IntBuffer code = stack.mallocInt(1);
      long made = CL10.clCreateBuffer(context, CL10.CL_MEM_READ_WRITE, bytes, code);
      check(code.get(0), "taking " + bytes + " bytes of memory");
      return made;
    }
  }

  /// Does a little of everything, so that all is compiled and known to work.
  void tryOut() throws OpenCl.Refusal {
    links(0, 0, 1, 1, 1, 1);
    if (take(() -> 1, TRIED_WORDS) > 0) {
      fill(0, 0, 1, 1);
    }
    release();
  }

  /// Makes links: lanes first, first + stride, ... of the work.
  ///
  /// @return digests, lane by lane
  long[] links(long seed, int first, int stride, int lanes, int length) throws OpenCl.Refusal {
    return links(seed, first, stride, lanes, length, CHAIN_STEPS);
  }

  private long[] links(long seed, int first, int stride, int lanes, int length, int steps)
      throws OpenCl.Refusal {
    int slice = slice(Limits.GPU_SLICE_STEPS, lanes);
    long digests = newBuffer((long) lanes * length * Long.BYTES);
    long state = newBuffer((long) lanes * CHAINS * Long.BYTES);
    try {
      for (int link = 0; link < length; link++) {
        arguments(beginLink, digests, state).set(seed).set(first, stride, lanes, length, link);
        launch(queue, beginLink, lanes);
        for (int from = 0; from < steps; from += slice) {
          int to = Math.min(steps, from + slice);
          arguments(runChains, state).set(lanes, from, to);
          launch(queue, runChains, lanes);
        }
        arguments(endLink, digests, state).set(lanes, length, link);
        launch(queue, endLink, lanes);
        check(CL10.clFinish(queue), "making links");
      }
      return longs(queue, digests, 0, lanes * length);
    } finally {
      var _ = CL10.clReleaseMemObject(digests);
      var _ = CL10.clReleaseMemObject(state);
    }
  }

  /// Takes memory for chunks, none of it before it is known to be there.
  ///
  /// @param wanted how many; may become fewer meanwhile
  /// @return how many there are
  int take(IntSupplier wanted, int words) throws OpenCl.Refusal {
    chunkWords = words;
    long chunkBytes = (long) words * Long.BYTES;
    return ChunkRoom.take(
        wanted,
        memoryBytes / chunkBytes,
        device.bufferBytes() / chunkBytes,
        (first, count) -> take(first, count, count * chunkBytes));
  }

  private boolean take(int first, int count, long bytes) throws OpenCl.Refusal {
    if (!device.hostMemory()) {
      return taken(first, count, bytes);
    }
    synchronized (TAKING) {
      return hostMemory.has(bytes) && taken(first, count, bytes);
    }
  }

  /// A buffer is there when it has been written to: drivers promise more than they have.
  private boolean taken(int first, int count, long bytes) throws OpenCl.Refusal {
    long buffer = 0;
    boolean done = false;
    try (MemoryStack stack = MemoryStack.stackPush()) {
      buffer = newBuffer(bytes);
      ByteBuffer zero = stack.calloc(Long.BYTES);
      check(
          CL12.clEnqueueFillBuffer(queue, buffer, zero, 0, bytes, null, null), "writing to memory");
      check(CL10.clFinish(queue), "writing to memory");
      held.add(new Chunks(buffer, newQueue(), first, count));
      done = true;
    } catch (OpenCl.Refusal e) {
      if (!e.forWantOfMemory()) {
        throw e;
      }
    } finally {
      if (!done && buffer != 0) {
        var _ = CL10.clReleaseMemObject(buffer);
      }
    }
    return done;
  }

  /// Fills the first of the chunks that were taken: chunks first, first + stride, ... of the work.
  ///
  /// @return the last word of each
  long[] fill(long seed, int first, int stride, int count) throws OpenCl.Refusal {
    List<Chunks> filled = held.stream().filter(chunks -> chunks.first() < count).toList();
    int slice = slice(Limits.GPU_SLICE_WORDS, count);
    for (int from = 0; from < chunkWords; from += slice) {
      int to = Math.min(chunkWords, from + slice);
      for (Chunks chunks : filled) {
        int own = Math.min(chunks.count(), count - chunks.first());
        arguments(fill, chunks.buffer())
            .set(seed)
            .set(first + chunks.first() * stride, stride, own, chunkWords, from, to);
        launch(chunks.queue(), fill, own);
        check(CL10.clFlush(chunks.queue()), "filling memory");
      }
      for (Chunks chunks : filled) {
        check(CL10.clFinish(chunks.queue()), "filling memory");
      }
    }
    long[] ends = new long[count];
    for (int c = 0; c < count; c++) {
      ends[c] = read(c, chunkWords - 1);
    }
    return ends;
  }

  /// One word of a chunk that was filled.
  long read(int chunk, int word) throws OpenCl.Refusal {
    for (Chunks chunks : held) {
      int own = chunk - chunks.first();
      if (own >= 0 && own < chunks.count()) {
        return longs(chunks.queue(), chunks.buffer(), (long) own * chunkWords + word, 1)[0];
      }
    }
    throw new IllegalStateException("chunk " + chunk + " is not held");
  }

  /// Gives back the chunks.
  void release() {
    for (Chunks chunks : held) {
      var _ = CL10.clReleaseCommandQueue(chunks.queue());
      var _ = CL10.clReleaseMemObject(chunks.buffer());
    }
    held.clear();
  }

  private long[] longs(long on, long buffer, long first, int count) throws OpenCl.Refusal {
    ByteBuffer to = MemoryUtil.memAlloc(count * Long.BYTES);
    try {
      check(
          CL10.clEnqueueReadBuffer(on, buffer, true, first * Long.BYTES, to, null, null),
          "reading memory");
      long[] values = new long[count];
      to.asLongBuffer().get(values);
      return values;
    } finally {
      MemoryUtil.memFree(to);
    }
  }

  private Arguments arguments(Kernel kernel, long... buffers) throws OpenCl.Refusal {
    Arguments arguments = new Arguments(kernel);
    for (long buffer : buffers) {
      check(
          CL10.clSetKernelArg1p(kernel.id(), arguments.next++, buffer),
          "argument of " + kernel.name());
    }
    return arguments;
  }

  /// Sets the arguments of a kernel, one after the other.
  private final class Arguments {
    private final Kernel kernel;
    private int next;

    Arguments(Kernel kernel) {
      this.kernel = kernel;
    }

    Arguments set(long value) throws OpenCl.Refusal {
      check(CL10.clSetKernelArg1l(kernel.id(), next++, value), "argument of " + kernel.name());
      return this;
    }

    void set(int... values) throws OpenCl.Refusal {
      for (int value : values) {
        check(CL10.clSetKernelArg1i(kernel.id(), next++, value), "argument of " + kernel.name());
      }
    }
  }
}
