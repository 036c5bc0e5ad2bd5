# The functions of nixpkgs' lib that the flake uses, written from their documentation.
let
  inherit (builtins)
    attrNames
    attrValues
    concatMap
    concatStringsSep
    elemAt
    filter
    isList
    listToAttrs
    map
    replaceStrings
    splitVersion
    ;
in
rec {
  inherit attrValues concatStringsSep;

  genAttrs =
    names: value:
    listToAttrs (
      map (name: {
        inherit name;
        value = value name;
      }) names
    );
  mapAttrsToList = f: set: attrValues (builtins.mapAttrs f set);
  filterAttrs = keep: set: removeAttrs set (filter (name: !keep name set.${name}) (attrNames set));
  optionalAttrs = condition: set: if condition then set else { };
  optional = condition: value: if condition then [ value ] else [ ];
  optionals = condition: list: if condition then list else [ ];
  optionalString = condition: string: if condition then string else "";
  concatMapStringsSep =
    separator: f: list:
    concatStringsSep separator (map f list);
  flatten = value: if isList value then concatMap flatten value else [ value ];

  hasPrefix = prefix: string: builtins.substring 0 (builtins.stringLength prefix) string == prefix;
  hasSuffix =
    suffix: string:
    let
      start = builtins.stringLength string - builtins.stringLength suffix;
    in
    start >= 0 && builtins.substring start (-1) string == suffix;
  hasInfix =
    infix: string:
    builtins.match ".*${replaceStrings [ "." "+" ] [ "\\." "\\+" ] infix}.*" string != null;
  removeSuffix =
    suffix: string:
    if hasSuffix suffix string then
      builtins.substring 0 (builtins.stringLength string - builtins.stringLength suffix) string
    else
      string;
  toUpper =
    let
      letters = string: filter (letter: letter != "" && letter != [ ]) (builtins.split "" string);
    in
    replaceStrings (letters "abcdefghijklmnopqrstuvwxyz") (letters "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
  escapeShellArg = value: "'" + replaceStrings [ "'" ] [ "'\\''" ] (toString value) + "'";

  importTOML = path: builtins.fromTOML (builtins.readFile path);
  importJSON = path: builtins.fromJSON (builtins.readFile path);
  versions.major = version: elemAt (splitVersion version) 0;

  getOutput = output: package: package.${output} or package;
  getBin = getOutput "bin";
  getDev = getOutput "dev";
  getLib = getOutput "lib";
  getExe' = package: name: "${getBin package}/bin/${name}";
  getExe = package: getExe' package (package.meta.mainProgram or package.pname or package.name);
  makeBinPath = concatMapStringsSep ":" (package: "${getBin package}/bin");

  # A file set is a list of paths here.
  fileset = {
    unions = flatten;
    toSource =
      { root, fileset }:
      let
        wanted = map toString (flatten fileset);
        isBelow = parent: path: hasPrefix "${parent}/" path;
        isWanted =
          path: type:
          builtins.any (
            file: path == file || isBelow file path || (type == "directory" && isBelow path file)
          ) wanted;
      in
      {
        outPath = builtins.path {
          path = root;
          name = "source";
          filter = isWanted;
        };
      };
  };
}
