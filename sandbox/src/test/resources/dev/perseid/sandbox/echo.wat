;; Copies its arguments and every input to output 0, logs two bytes.
(module
  (import "perseid" "args_size" (func $as (result i32)))
  (import "perseid" "args_read" (func $ar (param i32 i32 i32) (result i32)))
  (import "perseid" "input_count" (func $ic (result i32)))
  (import "perseid" "input_size" (func $is (param i32) (result i64)))
  (import "perseid" "input_read" (func $ir (param i32 i64 i32 i32) (result i32)))
  (import "perseid" "output_write" (func $w (param i32 i32 i32) (result i32)))
  (import "perseid" "log" (func $log (param i32 i32)))
  (import "perseid" "progress" (func $progress (param i32)))
  (memory (export "memory") 2)
  (data (i32.const 100000) "hi")
  (func (export "step") (result i32) (local $i i32) (local $at i64) (local $n i32)
    (call $log (i32.const 100000) (i32.const 2))
    (call $progress (i32.const 500))
    (drop (call $w (i32.const 0) (i32.const 0) (call $ar (i32.const 0) (i32.const 0) (call $as))))
    (block $done
      (loop $inputs
        (br_if $done (i32.ge_u (local.get $i) (call $ic)))
        (local.set $at (i64.const 0))
        (block $end
          (loop $more
            (local.set $n (call $ir (local.get $i) (local.get $at) (i32.const 0) (i32.const 65536)))
            (br_if $end (i32.eqz (local.get $n)))
            (drop (call $w (i32.const 0) (i32.const 0) (local.get $n)))
            (local.set $at (i64.add (local.get $at) (i64.extend_i32_u (local.get $n))))
            (br $more)))
        (if (i64.ne (local.get $at) (call $is (local.get $i))) (then (unreachable)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $inputs)))
    (if (i64.ne (call $is (local.get $i)) (i64.const -1)) (then (unreachable)))
    (i32.const 1)))
