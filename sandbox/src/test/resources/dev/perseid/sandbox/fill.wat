;; Fills all its memory again and again in one straight run of code.
(module (memory (export "memory") 16)
  (func (export "step") (result i32)
    (memory.fill (i32.const 0) (i32.const 1) (i32.const 1048576))
    (memory.fill (i32.const 0) (i32.const 2) (i32.const 1048576))
    (memory.copy (i32.const 0) (i32.const 524288) (i32.const 524288))
    (memory.fill (i32.const 0) (i32.const 3) (i32.const 1048576))
    (i32.const 1)))
