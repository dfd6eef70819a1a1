package dev.perseid.sandbox;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.IntBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.lwjgl.PointerBuffer;
import org.lwjgl.opencl.AMDDeviceBoardName;
import org.lwjgl.opencl.CL;
import org.lwjgl.opencl.CL10;
import org.lwjgl.opencl.CL11;
import org.lwjgl.system.Library;
import org.lwjgl.system.MemoryStack;
import org.lwjgl.system.MemoryUtil;

/// OpenCL as this machine has it: its devices. Only in the process that uses GPUs.
final class OpenCl {
  /// `CL_DEVICE_PCI_BUS_INFO_KHR`: four numbers of 32 bits.
  private static final int PCI_BUS_INFO = 0x410F;

  /// `CL_DEVICE_PCI_BUS_ID_NV`, `..._SLOT_ID_NV` and `..._DOMAIN_ID_NV`.
  private static final int PCI_BUS_NV = 0x4008;

  private static final int PCI_SLOT_NV = 0x4009;
  private static final int PCI_DOMAIN_NV = 0x400A;

  private static final int NO_PLATFORM = -1001;

  private OpenCl() {}

  /// OpenCL said no.
  static final class Refusal extends Exception {
    private static final long serialVersionUID = 1;

    private final int code;

    Refusal(String what, int code) {
      super(what + " failed with OpenCL's error " + code);
      this.code = code;
    }

    Refusal(String message) {
      super(message);
      this.code = CL10.CL_SUCCESS;
    }

    /// Whether it said so for want of memory.
    boolean forWantOfMemory() {
      return code == CL10.CL_MEM_OBJECT_ALLOCATION_FAILURE
          || code == CL10.CL_OUT_OF_RESOURCES
          || code == CL10.CL_OUT_OF_HOST_MEMORY
          || code == CL10.CL_INVALID_BUFFER_SIZE;
    }
  }

  static void check(int code, String what) throws Refusal {
    if (code != CL10.CL_SUCCESS) {
      throw new Refusal(what, code);
    }
  }

  /// A device, found.
  ///
  /// @param usable whether it can do this work: 64-bit integers, a compiler, version 1.2
  /// @param hostMemory whether its memory is the machine's
  /// @param bufferBytes of one buffer at most
  record Device(
      long id,
      long platform,
      Gpu gpu,
      boolean processor,
      boolean usable,
      boolean hostMemory,
      long bufferBytes) {}

  /// Loads the libraries.
  ///
  /// @return why that cannot be done, in one sentence; empty if all is well
  static String load() {
    try {
      Library.initialize();
    } catch (UnsatisfiedLinkError e) {
      return "GPUs cannot be used on this kind of machine: LWJGL has no library for it ("
          + e.getMessage()
          + ").";
    }
    try {
      CL.create();
    } catch (UnsatisfiedLinkError e) {
      return "No OpenCL library is installed, so that no GPU can be used (Debian: apt-get install"
          + " ocl-icd-libopencl1, and the OpenCL driver of the GPU's maker).";
    }
    return "";
  }

  static GpuWorker.Found find(boolean processorsToo) throws Refusal {
    List<Device> devices = devices();
    if (devices.isEmpty()) {
      return nothing(
          "OpenCL is installed, but has no driver with a device here: install that of the GPU's"
              + " maker (Debian: nvidia-opencl-icd, mesa-opencl-icd or intel-opencl-icd).");
    }
    List<Device> wanted =
        devices.stream().filter(device -> processorsToo || !device.processor()).toList();
    if (wanted.isEmpty()) {
      return nothing(
          "OpenCL shows no GPU here, only processors: is the OpenCL driver of the GPU's maker"
              + " installed?");
    }
    List<Gpu> gpus = wanted.stream().filter(Device::usable).map(Device::gpu).toList();
    return gpus.isEmpty()
        ? nothing(
            wanted.getFirst().gpu().name()
                + " cannot do this work: that needs OpenCL 1.2 with its full profile and a"
                + " compiler.")
        : new GpuWorker.Found(gpus, "");
  }

  private static GpuWorker.Found nothing(String problem) {
    return new GpuWorker.Found(List.of(), problem);
  }

  /// All devices of all platforms. One that two drivers show is there once: as the first shows it.
  /// A driver that fails, as after an update of its library alone, hides its own devices only.
  ///
  /// @throws Refusal if there are none, and a driver failed
  static List<Device> devices() throws Refusal {
    List<Device> devices = new ArrayList<>();
    Map<String, Long> platformOfSlot = new HashMap<>();
    Refusal first = null;
    int index = 0;
    for (long platform : platforms()) {
      List<Long> ids = List.of();
      try {
        ids = devices(platform);
      } catch (Refusal e) {
        first = first == null ? e : first;
      }
      for (long id : ids) {
        if (devices.size() == Limits.GPUS) {
          return devices;
        }
        int at = index++;
        try {
          Device device = device(platform, id, at);
          String slot = device.gpu().slot();
          if (slot.isEmpty() || platformOfSlot.computeIfAbsent(slot, _ -> platform) == platform) {
            devices.add(device);
          }
        } catch (Refusal e) {
          first = first == null ? e : first;
        }
      }
    }
    if (devices.isEmpty() && first != null) {
      throw first;
    }
    return devices;
  }

  private static List<Long> platforms() throws Refusal {
    try (MemoryStack stack = MemoryStack.stackPush()) {
      IntBuffer count = stack.mallocInt(1);
      int code = CL10.clGetPlatformIDs(null, count);
      if (code == NO_PLATFORM) {
        return List.of();
      }
      check(code, "clGetPlatformIDs");
      return count.get(0) == 0
          ? List.of()
          : list(
              stack.mallocPointer(count.get(0)), to -> CL10.clGetPlatformIDs(to, (IntBuffer) null));
    }
  }

  private static List<Long> devices(long platform) throws Refusal {
    try (MemoryStack stack = MemoryStack.stackPush()) {
      IntBuffer count = stack.mallocInt(1);
      int code = CL10.clGetDeviceIDs(platform, CL10.CL_DEVICE_TYPE_ALL, null, count);
      if (code == CL10.CL_DEVICE_NOT_FOUND) {
        return List.of();
      }
      check(code, "clGetDeviceIDs");
      return count.get(0) == 0
          ? List.of()
          : list(
              stack.mallocPointer(count.get(0)),
              to -> CL10.clGetDeviceIDs(platform, CL10.CL_DEVICE_TYPE_ALL, to, (IntBuffer) null));
    }
  }

  private interface Query {
    int into(PointerBuffer to);
  }

  private static List<Long> list(PointerBuffer to, Query query) throws Refusal {
    check(query.into(to), "listing what OpenCL has");
    List<Long> ids = new ArrayList<>();
    for (int i = 0; i < to.capacity(); i++) {
      ids.add(to.get(i));
    }
    return ids;
  }

  private static Device device(long platform, long id, int index) throws Refusal {
    String extensions = " " + text(id, CL10.CL_DEVICE_EXTENSIONS) + " ";
    int maker = number(id, CL10.CL_DEVICE_VENDOR_ID);
    String slot = slot(id, extensions);
    String name = text(id, CL10.CL_DEVICE_NAME);
    if (extensions.contains(" cl_amd_device_attribute_query ")) {
      name = text(id, AMDDeviceBoardName.CL_DEVICE_BOARD_NAME_AMD);
    }
    boolean processor = (big(id, CL10.CL_DEVICE_TYPE) & CL10.CL_DEVICE_TYPE_CPU) != 0;
    boolean usable =
        text(id, CL10.CL_DEVICE_PROFILE).equals("FULL_PROFILE")
            && number(id, CL10.CL_DEVICE_AVAILABLE) != 0
            && number(id, CL10.CL_DEVICE_COMPILER_AVAILABLE) != 0
            && number(id, CL10.CL_DEVICE_ENDIAN_LITTLE) != 0
            && !text(id, CL10.CL_DEVICE_VERSION).matches("OpenCL 1\\.[01]\\b.*");
    List<Path> files = processor ? List.of() : new DeviceFiles(Path.of("/")).of(maker, slot);
    return new Device(
        id,
        platform,
        new Gpu(index, name, big(id, CL10.CL_DEVICE_GLOBAL_MEM_SIZE), slot, files),
        processor,
        usable,
        processor || number(id, CL11.CL_DEVICE_HOST_UNIFIED_MEMORY) != 0,
        big(id, CL10.CL_DEVICE_MAX_MEM_ALLOC_SIZE));
  }

  private static String slot(long id, String extensions) throws Refusal {
    if (extensions.contains(" cl_khr_pci_bus_info ")) {
      ByteBuffer at = info(id, PCI_BUS_INFO);
      return DeviceFiles.slot(at.getInt(0), at.getInt(4), at.getInt(8), at.getInt(12));
    }
    if (extensions.contains(" cl_nv_device_attribute_query ")) {
      int domain;
      try {
        domain = number(id, PCI_DOMAIN_NV);
      } catch (Refusal e) {
        domain = 0; // old drivers do not tell it
      }
      // The slot's number has the device's in its upper bits, and the function's in three lower.
      int slot = number(id, PCI_SLOT_NV);
      int bus = number(id, PCI_BUS_NV);
      return DeviceFiles.slot(domain, bus, slot >>> 3, slot & 7);
    }
    return "";
  }

  private static String text(long id, int what) throws Refusal {
    ByteBuffer bytes = info(id, what);
    byte[] text = new byte[bytes.remaining()];
    bytes.get(text);
    return new String(text, StandardCharsets.UTF_8).replace("\0", "").strip();
  }

  private static int number(long id, int what) throws Refusal {
    return info(id, what).getInt(0);
  }

  private static long big(long id, int what) throws Refusal {
    return info(id, what).getLong(0);
  }

  private static ByteBuffer info(long id, int what) throws Refusal {
    try (MemoryStack stack = MemoryStack.stackPush()) {
      PointerBuffer size = stack.mallocPointer(1);
      String name = "clGetDeviceInfo of " + Integer.toHexString(what);
      check(CL10.clGetDeviceInfo(id, what, (ByteBuffer) null, size), name);
      ByteBuffer given = MemoryUtil.memCalloc((int) Math.max(size.get(0), Long.BYTES));
      try {
        check(CL10.clGetDeviceInfo(id, what, given, null), name);
        ByteBuffer kept = ByteBuffer.allocate(given.capacity()).order(ByteOrder.nativeOrder());
        kept.put(given).flip();
        return kept;
      } finally {
        MemoryUtil.memFree(given);
      }
    }
  }
}
