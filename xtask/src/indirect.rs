//! Makes the calls within a module indirect, so that Envoy compiles each function once.
//!
//! Envoy runs V8 without its baseline compiler. Then the optimizing compiler has not counted any calls, and inlines direct
//! calls in the order of the code until a function has about three times its size, with up to 60 calls: mostly the
//! allocator and the messages of panics, again and again. That doubles machine code, time and memory of the compilation
//! that each proxy does before its first request. It inlines no indirect call, and rustc has inlined before what pays.

use std::collections::HashMap;

use anyhow::Result;
use walrus::ir::{
    Call, CallIndirect, Const, Instr, InstrSeq, Value, VisitorMut, dfs_pre_order_mut,
};
use walrus::{
    ConstExpr, ElementItems, ElementKind, FunctionId, FunctionKind, Module, RefType, TableId,
    TypeId,
};

/// Replaces each direct call of a function of the module by a call through the function table. Calls of the host stay.
///
/// # Errors
/// When the module has several function tables.
pub fn make_calls_indirect(module: &mut Module) -> Result<()> {
    let held = module.tables.main_function_table()?;
    let table = held.unwrap_or_else(|| {
        let tables = &mut module.tables;
        tables.add_local(false, 0, None, RefType::FUNCREF)
    });
    let first = module.tables.get(table).initial;
    let types = module.funcs.iter_local();
    let types: HashMap<_, _> = types.map(|(id, function)| (id, function.ty())).collect();
    let mut calls = Calls {
        table,
        types,
        next: i32::try_from(first)?,
        slots: HashMap::new(),
        called: Vec::new(),
    };
    for function in module.funcs.iter_mut() {
        if let FunctionKind::Local(function) = &mut function.kind {
            let entry = function.entry_block();
            dfs_pre_order_mut(&mut calls, function, entry);
        }
    }
    let Calls { called, .. } = calls;
    if called.is_empty() {
        if held.is_none() {
            module.tables.delete(table);
        }
        return Ok(());
    }
    let added = u64::try_from(called.len())?;
    let offset = ConstExpr::Value(Value::I32(i32::try_from(first)?));
    let kind = ElementKind::Active { table, offset };
    let segment = module.elements.add(kind, ElementItems::Functions(called));
    let table = module.tables.get_mut(table);
    table.initial += added;
    table.maximum = table.maximum.map(|maximum| maximum + added);
    table.elem_segments.insert(segment);
    Ok(())
}

/// Rewrites calls, and assigns slots of the table.
struct Calls {
    table: TableId,
    /// The functions of the module.
    types: HashMap<FunctionId, TypeId>,
    /// The next free slot.
    next: i32,
    slots: HashMap<FunctionId, i32>,
    /// The functions in the order of their slots.
    called: Vec<FunctionId>,
}

impl Calls {
    fn slot(&mut self, function: FunctionId) -> i32 {
        *self.slots.entry(function).or_insert_with(|| {
            self.called.push(function);
            self.next += 1;
            self.next - 1
        })
    }
}

impl VisitorMut for Calls {
    fn start_instr_seq_mut(&mut self, sequence: &mut InstrSeq) {
        for (instruction, location) in std::mem::take(&mut sequence.instrs) {
            let mut push = |instruction| sequence.instrs.push((instruction, location));
            let called = match &instruction {
                Instr::Call(Call { func }) => self.types.get(func).map(|ty| (*func, *ty)),
                _ => None,
            };
            match called {
                Some((function, ty)) => {
                    let table = self.table;
                    let value = Value::I32(self.slot(function));
                    push(Const { value }.into());
                    push(CallIndirect { ty, table }.into());
                }
                None => push(instruction),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODULE: &str = r#"(module
        (import "env" "log" (func $log (param i32)))
        (table 2 2 funcref)
        (elem (i32.const 1) $one)
        (func $one (result i32) (i32.const 1))
        (func $add (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
        (func (export "run") (param i32)
            (block (br_if 0 (local.get 0)) (call $log (call $add (call $one) (call $one))))))"#;

    fn converted(module: &[u8]) -> Vec<u8> {
        let mut module = Module::from_buffer(module).unwrap();
        make_calls_indirect(&mut module).unwrap();
        module.emit_wasm()
    }

    fn calls(module: &[u8]) -> (Vec<FunctionId>, usize) {
        #[derive(Default)]
        struct Found(Vec<FunctionId>, usize);
        impl VisitorMut for Found {
            fn visit_call_mut(&mut self, call: &mut Call) {
                self.0.push(call.func);
            }
            fn visit_call_indirect_mut(&mut self, _: &mut CallIndirect) {
                self.1 += 1;
            }
        }
        let mut found = Found::default();
        let mut module = Module::from_buffer(module).unwrap();
        for function in module.funcs.iter_mut() {
            if let FunctionKind::Local(function) = &mut function.kind {
                let entry = function.entry_block();
                dfs_pre_order_mut(&mut found, function, entry);
            }
        }
        let Found(direct, indirect) = found;
        let imported = |id: &FunctionId| module.imports.get_imported_func(*id).is_some();
        assert!(direct.iter().all(imported));
        (direct, indirect)
    }

    #[test]
    fn only_calls_of_the_host_stay_direct() {
        let module = converted(&wat::parse_str(MODULE).unwrap());
        let (direct, indirect) = calls(&module);
        assert_eq!((direct.len(), indirect), (1, 3));
    }

    #[test]
    fn called_functions_get_slots_behind_the_others() {
        let module = converted(&wat::parse_str(MODULE).unwrap());
        let module = Module::from_buffer(&module).unwrap();
        let table = module.tables.iter().next().unwrap();
        assert_eq!((table.initial, table.maximum), (4, Some(4)));
        let segments = module.elements.iter().map(|segment| {
            let ElementKind::Active { offset, .. } = &segment.kind else {
                panic!("{segment:?}");
            };
            let ElementItems::Functions(functions) = &segment.items else {
                panic!("{segment:?}");
            };
            let ConstExpr::Value(Value::I32(offset)) = offset else {
                panic!("{segment:?}");
            };
            (*offset, functions.len())
        });
        assert_eq!(segments.collect::<Vec<_>>(), [(1, 1), (2, 2)]);
    }

    #[test]
    fn module_without_a_table_gets_one() {
        let module = MODULE.replace("(table 2 2 funcref)", "");
        let module = module.replace("(elem (i32.const 1) $one)", "");
        let (_, indirect) = calls(&converted(&wat::parse_str(module).unwrap()));
        assert_eq!(indirect, 3);
    }

    #[test]
    fn module_without_calls_stays_as_it_is() {
        let module = wat::parse_str("(module (func (export \"run\")))").unwrap();
        let before = Module::from_buffer(&module).unwrap().emit_wasm();
        assert_eq!(converted(&module), before);
        let once = converted(&wat::parse_str(MODULE).unwrap());
        assert_eq!(converted(&once), once);
    }
}
